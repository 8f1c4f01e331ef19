#include "cli/query_options.h"

#include <algorithm>

#include "cli/rights.h"
#include "common/count_text.h"
#include "common/human_time.h"
#include "common/log.h"
#include "common/time_text.h"
#include "packet/record_fields.h"

namespace gatetape {

const char* const kExpressionHelp =
    "EXPR is a tcpdump filter (man pcap-filter) on the packet as stored; 'and' and 'or' have equal precedence in it. "
    "It "
    "may also use these names of Gatetape's own; values may be in double quotes:\n"
    "  any.host A[/L]  any.port N  vlan.id N   packets; behind VLAN tags too\n"
    "  http.status  alert.signature  duration  connections with such a record (== !=\n"
    "  ... (the fields of 'search --help')     contains; for numbers < <= > >=); with\n"
    "                                          'and': one record; sizes may be 10K,\n"
    "                                          durations 1.5 (seconds) or 250ms\n"
    "  sid N                                   connections in which that rule alerted\n"
    "  community_id C   flow_id N              one connection";

void add_store_option(CommandLine& line, std::vector<std::string>& store) {
  line.list("store", "DIR[,DIR...]", store, "directories of the store");
}

Result<void> check_stores(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    const auto names = system_files().list(directory);
    if (!names) return fail("{}", names.error().message);
    if (std::ranges::none_of(*names, is_of_the_store)) return fail("{} is not a Gatetape store", directory);
  }
  return {};
}

namespace {

CommandLine::Take take_time(std::string& time) {
  return [&time](const std::string& text) -> Result<void> {
    Result<HumanTime> parsed = parse_human_time(text, wall_clock_ns());
    if (!parsed) return pass_on(parsed);
    time = text;
    return {};
  };
}

// Once, where the machine's zone decided.
void say_zone(const TimeRange& range) {
  log_info("times without a zone are local ({}): {} to {}",
           local_zone_text(range.since_ns ? *range.since_ns : *range.until_ns),
           range.since_ns ? format_time(*range.since_ns) : "the beginning",
           range.until_ns ? format_time(*range.until_ns) : "the end");
}

}  // namespace

void QueryOptions::add_to(CommandLine& line) {
  add_store_option(line, store);
  line.require("store", "the directory of the store");
  line.take("since", "T", take_time(since),
            "first instant: 22:48 or '2026-11-20 22:48:25' (local time), today, yesterday, 2h (ago), now, "
            "2026-11-20T22:48:25Z, what nginx, EVE, tcpdump and journalctl print, @SECONDS since 1970; a date alone is "
            "midnight UTC");
  line.take("until", "T", take_time(until), "first instant after the range");
}

Result<void> QueryOptions::check(const CommandLine& line) {
  const int64_t now_ns = wall_clock_ns();
  bool local = false;
  if (!since.empty()) {
    Result<HumanTime> time = parse_human_time(since, now_ns);
    if (!time) return pass_on(time);
    range.since_ns = time->ns;
    local |= time->local;
  }
  if (!until.empty()) {
    Result<HumanTime> time = parse_human_time(until, now_ns, WhenTwice::kSecond);
    // A clock alone that would come before the beginning means the next time that it shows this.
    if (time && time->clock_only && range.since_ns && time->ns <= *range.since_ns) {
      time = parse_human_time(until, *range.since_ns + 86400 * kNanosecondsPerSecond, WhenTwice::kSecond);
    }
    if (!time) return pass_on(time);
    range.until_ns = time->ns;
    local |= time->local;
  }
  if (range.since_ns && range.until_ns && *range.since_ns >= *range.until_ns) {
    return fail("{} {} is not before {} {}", line.where("since"), format_time(*range.since_ns), line.where("until"),
                format_time(*range.until_ns));
  }
  if (local) say_zone(range);
  return {};
}

CommandLine::Take take_record_id(std::string& id) {
  return [&id](const std::string& text) -> Result<void> {
    if (!is_record_id(text)) return fail("an ID has ten characters, as in a7k3m9q2xd");
    id = text;
    return {};
  };
}

Result<std::unique_ptr<StoreReader>> open_store(const std::vector<std::string>& store) {
  if (Result<void> are_stores = check_stores(store); !are_stores) return pass_on(are_stores);
  return StoreReader::open(store);
}

void warn_of_damage(const ReadStatistics& read) {
  for (const std::string& line : read.foreign) log_warning("{}", line);
  if (read.foreign_entries > read.foreign.size()) {
    log_warning("{} more", counted(read.foreign_entries - read.foreign.size(), "foreign entry", "foreign entries"));
  }
  for (const std::string& line : read.repaired) log_warning("{}", line);
  if (read.bits_repaired > read.repaired.size())
    log_warning("{} more", counted(read.bits_repaired - read.repaired.size(), "repaired bit", "repaired bits"));
  for (const std::string& line : read.damage) log_warning("{}", line);
  if (read.frames_damaged > read.damage.size()) {
    log_warning("{} more", counted(read.frames_damaged - read.damage.size(), "damaged frame", "damaged frames"));
  }
}

}  // namespace gatetape
