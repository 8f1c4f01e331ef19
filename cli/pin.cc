// gatetape pin, unpin: which segments the ring must keep, and why.
#include <pwd.h>
#include <unistd.h>

#include <climits>
#include <set>
#include <thread>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/query_options.h"
#include "cli/rights.h"
#include "common/clock.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/time_text.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/store_request.h"
#include "storage/query/extract.h"
#include "storage/query/index_planning.h"
#include "storage/query/search.h"

namespace gatetape {
namespace {

constexpr size_t kReasonBytesMax = 1000;

struct PinOptions {
  QueryOptions query;
  std::string reason;
  bool pin;

  bool selects_all() const { return !query.range.since_ns && !query.range.until_ns && query.expression.empty(); }
};

using Pins = std::map<uint64_t, Pin>;  // in force, by sequence number

struct LedgerPins {
  Pins pins;
  std::map<uint64_t, SegmentFacts> sealed;
  std::set<uint64_t> evicted;
};

Result<LedgerPins> read_pins(const std::string& store) {
  LedgerPins out;
  const auto read = read_ledger(system_files(), ledger_path(store), [&](const LedgerEntry& entry) {
    if (const auto* sealed = std::get_if<SegmentSealed>(&entry.content))
      out.sealed.emplace(sealed->segment.sequence, sealed->segment);
    if (const auto* evicted = std::get_if<SegmentEvicted>(&entry.content))
      out.evicted.insert(evicted->segment.sequence);
    const auto* pin = std::get_if<Pin>(&entry.content);
    if (pin == nullptr) return;
    if (pin->pinned) {
      out.pins.insert_or_assign(pin->sequence, *pin);
    } else {
      out.pins.erase(pin->sequence);
    }
  });
  if (!read) return tl::unexpected<Error>(read.error());
  return out;
}

// The segments of the time; with an expression those that hold its packets, and the records of their time.
Result<std::vector<StoredSegment>> selected_segments(const PinOptions& o) {
  TimeRange range = o.query.range;
  auto reader = open_store(o.query.store);
  if (!reader) return pass_on(reader);
  auto segments = (*reader)->segments();
  if (!segments) return segments;
  std::set<Uuid> holding;
  if (!o.query.expression.empty()) {
    auto expression = Expression::parse(o.query.expression);
    if (!expression) return pass_on(expression);
    auto summary = (*reader)->summary();
    if (!summary) return pass_on(summary);
    if (auto compiled = expression->compile(link_types_of(*summary)); !compiled) return pass_on(compiled);
    if (auto learned = learn_connections(**reader, *expression, range); !learned) return pass_on(learned);
    TimeRange seen;
    const StoreQuery query{range.since_ns, range.until_ns, index_filter_of(*expression)};
    const auto read = (*reader)->packets(query, [&](const StoredPacket& packet) {
      if (!expression->matches(packet)) return !interrupted();
      holding.insert(packet.place.segment);
      const int64_t time = packet.packet.timestamp_ns;
      seen.since_ns = std::min(seen.since_ns.value_or(time), time);
      seen.until_ns = std::max(seen.until_ns.value_or(time), time + 1);
      return !interrupted();
    });
    if (!read) return tl::unexpected<Error>(read.error());
    if (interrupted()) return fail("interrupted: nothing was pinned");
    warn_of_damage(*read);
    if (holding.empty()) return std::vector<StoredSegment>();
    range = seen;
  }
  std::erase_if(*segments, [&](const StoredSegment& segment) {
    const bool in_time = segment.packets != 0 && range.touches(segment.time_min_ns, segment.time_max_ns);
    if (o.query.expression.empty() || segment.kind == SegmentKind::kRecords) return !in_time;
    return !holding.contains(segment.uuid);
  });
  return segments;
}

std::string user_and_host() {
  char host[HOST_NAME_MAX + 1] = "";
  (void)::gethostname(host, sizeof host - 1);
  const passwd* user = ::getpwuid(::getuid());
  return fmt::format("{}@{}", user == nullptr ? std::to_string(::getuid()) : user->pw_name, host);
}

// Nobody records into the store: then nothing is evicted either, and the next run takes requests in.
bool is_recording(const std::string& store) {
  auto file = system_files().open_to_change(store + "/lock");
  if (!file) return file.error().code != ENOENT;  // we wait for an answer where we may not know
  const auto locked = (*file)->lock();
  return locked && !*locked;
}

struct Answer {
  size_t done = 0;
  std::vector<std::string> refused;
};

// The recorder's answers stand in the ledger: an entry for each request, of its time and user.
Result<Answer> read_answers(const std::string& store, const std::vector<Pin>& asked) {
  std::map<uint64_t, const Pin*> by_sequence;
  for (const Pin& pin : asked) by_sequence.emplace(pin.sequence, &pin);
  Answer answer;
  const auto read = read_ledger(system_files(), ledger_path(store), [&](const LedgerEntry& entry) {
    const auto* pin = std::get_if<Pin>(&entry.content);
    if (pin == nullptr) return;
    const auto at = by_sequence.find(pin->sequence);
    if (at == by_sequence.end() || pin->at_ns != at->second->at_ns || !pin->who.starts_with(at->second->who)) return;
    if (pin->pinned == at->second->pinned) {
      answer.done++;
    } else {
      answer.refused.push_back(fmt::format("segment {}: {}", pin->sequence, printable(pin->reason)));
    }
    by_sequence.erase(at);
  });
  if (!read) return tl::unexpected<Error>(read.error());
  return answer;
}

int wait_for_answers(const CommandLine& line, const std::string& store, const std::vector<Pin>& asked) {
  constexpr auto kPoll = std::chrono::milliseconds(100);
  constexpr int kPolls = 100;
  Result<Answer> answer;
  for (int i = 0; i < kPolls && !interrupted(); i++) {
    std::this_thread::sleep_for(kPoll);  // the recorder tells nobody
    answer = read_answers(store, asked);
    if (!answer) return line.failed(answer.error());
    if (answer->done + answer->refused.size() == asked.size()) break;
  }
  const char* word = asked.front().pinned ? "pinned" : "let go";
  for (const std::string& refused : answer->refused) log_error("{}", refused);
  log_info("{} {}", counted(answer->done, "segment", "segments"), word);
  const size_t waiting = asked.size() - answer->done - answer->refused.size();
  if (waiting != 0) log_warning("{} for the recorder", counted(waiting, "request still waits", "requests still wait"));
  return answer->refused.empty() && waiting == 0 ? kExitDone : kExitFailed;
}

int ask(const CommandLine& line, const PinOptions& o) {
  const std::string& store = o.query.store.front();
  const auto pins = read_pins(store);
  if (!pins) return line.failed(pins.error());
  const int64_t now = wall_clock_ns();
  std::vector<Pin> asked;
  std::vector<LedgerContent> requests;
  const auto add = [&](uint64_t sequence, const Uuid& uuid) {
    if (pins->pins.contains(sequence) == o.pin) return;
    asked.push_back({now, o.pin, sequence, uuid, user_and_host(), o.reason});
    requests.emplace_back(asked.back());
  };
  if (!o.pin && o.selects_all()) {
    for (const auto& [sequence, pin] : pins->pins) add(sequence, pin.segment_uuid);
  } else {
    const auto segments = selected_segments(o);
    if (!segments) return line.failed(segments.error());
    for (const StoredSegment& segment : *segments) add(segment.sequence, segment.uuid);
  }
  if (asked.empty()) {
    log_info("nothing to do: no segment that is not {} already holds such packets", o.pin ? "pinned" : "let go");
    return kExitDone;
  }
  make_files_private();
  const bool recording = is_recording(store);
  if (auto handed_over = hand_over(system_files(), store, requests); !handed_over)
    return line.failed(handed_over.error());
  if (recording) return wait_for_answers(line, store, asked);
  log_info("{}: nothing records into this store now, and nothing is evicted; the next capture begins with that",
           counted(asked.size(), "request", "requests"));
  return kExitDone;
}

int list(const CommandLine& line, const std::string& store) {
  const auto pins = read_pins(store);
  if (!pins) return line.failed(pins.error());
  uint64_t bytes = 0;
  for (const auto& [sequence, pin] : pins->pins) {
    const auto sealed = pins->sealed.find(sequence);
    std::string about = pins->evicted.contains(sequence) ? "gone" : "not sealed yet";
    if (sealed != pins->sealed.end() && !pins->evicted.contains(sequence)) {
      const SegmentFacts& facts = sealed->second;
      about = fmt::format("{} to {}, {}", format_time(facts.time_min_ns), format_time(facts.time_max_ns),
                          format_size(facts.file_bytes));
      bytes += facts.file_bytes;
    }
    fmt::print("segment {} ({}): pinned {} by {}: {}\n", sequence, about, format_time(pin.at_ns), printable(pin.who),
               printable(pin.reason));
  }
  fmt::print("{} pinned, {}", counted(pins->pins.size(), "segment", "segments"), format_size(bytes));
  const size_t waiting = requests_waiting(system_files(), store);
  if (waiting != 0) fmt::print("; {} for a recorder", counted(waiting, "request waits", "requests wait"));
  fmt::print("\n");
  return std::fflush(stdout) == 0 ? kExitDone : line.failed(Error{"standard output: it cannot be written"});
}

// `pin` and `unpin` take the same words.
class PinningCommand : public Command {
 public:
  explicit PinningCommand(bool pin) { options_.pin = pin; }

  void add_options(CommandLine& line) override {
    options_.query.add_to(line);
    const auto take_reason = [this](const std::string& text) -> Result<void> {
      if (text.size() > kReasonBytesMax) return fail("at most {} bytes", kReasonBytesMax);
      options_.reason = text;
      return {};
    };
    line.take("reason", "TEXT", take_reason, "why: stands in the ledger");
    if (options_.pin) line.flag("list", list_, "show what is pinned, by whom and why");
    line.positional(words_);
  }

  int run(const CommandLine& line) override {
    QueryOptions& query = options_.query;
    if (query.store.empty()) return line.usage_error("--store names no directory");
    if (const Result<void> are_stores = check_stores(query.store); !are_stores) return line.failed(are_stores.error());
    if (list_) return list(line, query.store.front());
    query.expression = joined(words_);
    if (const Result<void> checked = query.check(line); !checked) return line.usage_error(checked.error().message);
    if (options_.pin && options_.selects_all()) return line.usage_error("say what to pin: --since, --until or EXPR");
    if (options_.reason.empty()) return line.usage_error("--reason is missing: it stands in the ledger");
    if (auto expression = Expression::parse(query.expression); !expression)
      return line.usage_error(expression.error().message);
    catch_interrupts();
    return ask(line, options_);
  }

 private:
  PinOptions options_;
  std::vector<std::string> words_;
  bool list_ = false;
};

class PinCommand : public PinningCommand {
 public:
  PinCommand() : PinningCommand(true) {}
  CommandText text() const override {
    return {
        .command = "pin",
        .usage = "--store DIR [--since T] [--until T] [EXPR] --reason TEXT | --store DIR --list",
        .summary =
            "Keeps the segments of that time, or those that hold packets which EXPR selects and the records of their "
            "time, from being evicted when the ring is full, until 'unpin'. Pins may fill half of the ring, or of a "
            "directory's part of it; what goes beyond is refused, and the ledger says so. They hold in a capture that "
            "is running, within a second. Who pinned what, and why, is in the store's ledger; --list shows what is "
            "pinned.",
        .examples =
            "  gatetape pin --store /var/lib/gatetape --since 2026-11-20T09:00:00Z --until "
            "2026-11-20T11:00:00Z --reason 'case 17'\n"
            "  gatetape pin --store /var/lib/gatetape --since -1d host 203.0.113.9 --reason 'case 17'\n"
            "  gatetape pin --store /var/lib/gatetape --list\n"};
  }
};

class UnpinCommand : public PinningCommand {
 public:
  UnpinCommand() : PinningCommand(false) {}
  CommandText text() const override {
    return {.command = "unpin",
            .usage = "--store DIR [--since T] [--until T] [EXPR] --reason TEXT",
            .summary =
                "Lets the pinned segments of that time, or those that hold packets which EXPR selects, go "
                "again: the oldest are evicted when the ring needs room. Without a time and EXPR all that are "
                "pinned.",
            .examples = "  gatetape unpin --store /var/lib/gatetape --reason 'case 17 is closed'\n"};
  }
};

}  // namespace

std::unique_ptr<Command> command_pin() {
  return std::make_unique<PinCommand>();
}

std::unique_ptr<Command> command_unpin() {
  return std::make_unique<UnpinCommand>();
}

}  // namespace gatetape
