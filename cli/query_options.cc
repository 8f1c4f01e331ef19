#include "cli/query_options.h"

#include "common/count_text.h"
#include "common/json_writer.h"
#include "common/log.h"
#include "common/time_text.h"

namespace gatetape {

const char* const kExpressionHelp =
    "EXPR is a tcpdump filter (man pcap-filter) on the packet as stored; 'and' and 'or' have equal precedence in it.\n"
    "It may also use these names of Gatetape's own; values may be in double quotes:\n"
    "  any.host A[/L]   any.port N   vlan.id N         packets; behind VLAN tags too\n"
    "  http.host  http.uri  http.method  http.status   connections with such a transaction (== != contains;\n"
    "                                                  < <= > >= for numbers); with 'and': one transaction\n"
    "  sid N            connections in which that rule alerted\n"
    "  community_id C   flow_id N                      one connection";

void QueryOptions::add_to(po::options_description& options) {
  options.add_options()("store", po::value(&store)->value_name("DIR[,DIR...]")->required()->composing(),
                        "directories of the store");
  options.add_options()(
      "since", po::value(&since)->value_name("T"),
      "first instant: RFC 3339 (2026-11-20T10:00:00Z), a date (midnight UTC), now, -2h, -1h30m, or @ and seconds "
      "since the epoch");
  options.add_options()("until", po::value(&until)->value_name("T"), "first instant after the range");
}

Result<TimeRange> QueryOptions::range() const {
  const int64_t now_ns = wall_clock_ns();
  TimeRange range;
  if (!since.empty()) {
    Result<int64_t> time = parse_time(since, now_ns);
    if (!time) return fail("--since: {}", time.error().message);
    range.since_ns = *time;
  }
  if (!until.empty()) {
    Result<int64_t> time = parse_time(until, now_ns);
    if (!time) return fail("--until: {}", time.error().message);
    range.until_ns = *time;
  }
  if (range.since_ns && range.until_ns && *range.since_ns >= *range.until_ns) {
    return fail("--since {} is not before --until {}", format_time(*range.since_ns), format_time(*range.until_ns));
  }
  return range;
}

Result<std::unique_ptr<StoreReader>> open_store(const std::vector<std::string>& store) {
  return StoreReader::open(split_list(store));
}

std::string printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_sequence_length(text.substr(i));
    const auto c = static_cast<uint8_t>(text[i]);
    const bool control =
        length == 0 || c < 0x20 || c == 0x7f || (length == 2 && c == 0xc2 && (text[i + 1] & 0x60) == 0);
    if (control) {
      out += fmt::format("\\x{:02x}", c);
      ++i;
    } else {
      out.append(text, i, length);
      i += length;
    }
  }
  return out;
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
