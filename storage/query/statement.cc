#include "storage/query/statement.h"

#include <algorithm>

#include "common/json_writer.h"
#include "common/time_text.h"
#include "packet/account_report.h"
#include "storage/query/uninspected_counters.h"

namespace gatetape {
namespace {

// Further ones of the same kind are summed up.
constexpr size_t kShortfallsOfAKindMax = 20;
constexpr size_t kCompleteSpansMax = 20, kCompleteSpansTold = 3, kRunsTold = 5, kRunsMax = 100;

std::string counted(uint64_t count, std::string_view one, std::string_view several) {
  return fmt::format("{} {}", count, count == 1 ? one : several);
}

class Shortfalls {
 public:
  void missing(std::string_view code, uint64_t count, std::string_view unit, std::string text) {
    if (count != 0) all_.push_back({code, true, count, unit, std::nullopt, std::move(text), {}});
  }
  void unknown(std::string_view code, uint64_t count, std::string_view unit, std::string text) {
    if (count != 0) all_.push_back({code, false, count, unit, std::nullopt, std::move(text), {}});
  }
  void add(const Shortfall& shortfall) { all_.push_back(shortfall); }
  std::vector<Shortfall> take() { return std::move(all_); }

 private:
  std::vector<Shortfall> all_;
};

void add_damage(Shortfalls& out, const ExtractStatement& s) {
  const ReadStatistics& read = s.read;
  if (read.packets_damaged != 0) {
    out.add({"damaged",
             true,
             read.packets_damaged,
             "packets",
             Interval{read.damaged_first_ns, read.damaged_last_ns},
             fmt::format("up to {} cannot be read: the store is damaged (between {} and {})",
                         counted(read.packets_damaged, "packet", "packets"), format_time(read.damaged_first_ns),
                         format_time(read.damaged_last_ns)),
             {}});
  } else {
    out.unknown("damaged", read.frames_damaged, "places",
                fmt::format("the store is damaged at {}", counted(read.frames_damaged, "place", "places")));
  }
  const uint64_t vanished = read.segments_vanished + (s.needs_records ? s.read_records.segments_vanished : 0);
  out.missing("evicted_meanwhile", vanished, "segments",
              fmt::format("{} of the store vanished while it was read", counted(vanished, "segment", "segments")));
  const uint64_t records = s.read_records.frames_damaged;
  const std::string text = fmt::format("records of this time cannot be read: the store is damaged at {}",
                                       counted(records, "place", "places"));
  s.needs_records ? out.missing("records_damaged", records, "places", text)
                  : out.unknown("records_damaged", records, "places", text);
}

// The same with the time in which it happened, where accounts tell it.
Shortfall in_time(std::string_view code, uint64_t count, std::string_view unit, std::string text,
                  std::vector<Interval> parts) {
  if (parts.empty()) return {code, true, count, unit, std::nullopt, std::move(text), {}};
  const Interval when{parts.front().first_ns, parts.back().last_ns};
  text += fmt::format(" (between {} and {})", format_time(when.first_ns), format_time(when.last_ns));
  return {code, true, count, unit, when, std::move(text), std::move(parts)};
}

void add_losses(Shortfalls& out, const ExtractStatement& s) {
  const PortAccount port = s.account.port();
  const WorkerAccount worker = s.account.worker();
  if (const uint64_t missed = port[PortCounter::kMissed]; missed != 0) {
    out.add(in_time("missed", missed, "packets",
                    fmt::format("{} missed by the driver", counted(missed, "packet", "packets")),
                    s.presence.rises(PortCounter::kMissed)));
  }
  for (size_t i = 0; i < worker.table().size(); ++i) {
    const CounterRow& row = worker.table()[i];
    const uint64_t count = worker.words()[i];
    if (row.group_row().place != BalancePlace::kLoss || count == 0) continue;
    const bool dropped = row.group == CounterGroup::kDropped;
    std::string text =
        dropped ? fmt::format("{} dropped ({}): {}", counted(count, "packet", "packets"), row.name, row.words)
                : fmt::format("{} {}", counted(count, "packet", "packets"), row.words);
    out.add(in_time(row.name, count, "packets", std::move(text), s.presence.rises(static_cast<Counter>(i))));
  }
  if (s.gap_bytes != 0) {
    out.add({"never_seen",
             true,
             s.gap_bytes,
             "bytes",
             s.gaps_when,
             fmt::format("{} of these connections were acknowledged but never seen by the sensor",
                         counted(s.gap_bytes, "byte", "bytes")),
             {}});
  }
}

// A question that records answer cannot be answered for traffic of which there are none.
void add_uninspected(Shortfalls& out, const ExtractStatement& s) {
  if (!s.needs_records) return;
  const WorkerAccount worker = s.account.worker();
  for (const UninspectedCounter& row : kUninspectedCounters) {
    const uint64_t count = worker[row.counter];
    if (count == 0 || (row.of_alerts && !s.needs_alerts)) continue;
    const CounterUnit unit = worker.table()[static_cast<size_t>(row.counter)].unit;
    out.add(in_time(row.code, count, unit_words(unit, 2),
                    fmt::format("{} {} {} not inspected{}: {}", count, unit_words(unit, count),
                                count == 1 ? "was" : "were", row.of_alerts ? " in full" : "", row.why),
                    s.presence.rises(row.counter)));
  }
  if (const uint64_t filtered = worker.total(CounterGroup::kFiltered); filtered != 0) {
    out.add(in_time("filtered", filtered, "packets",
                    fmt::format("{} not inspected: the sensor's filters left them out",
                                counted(filtered, "packet was", "packets were")),
                    s.presence.rises(CounterGroup::kFiltered)));
  }
  if (const uint64_t records = worker[Counter::kRecordsDropped]; records != 0) {
    out.add(in_time(
        "records_dropped", records, "records",
        fmt::format("{} dropped: the sensor was too slow for them", counted(records, "record was", "records were")),
        s.presence.rises(Counter::kRecordsDropped)));
  }
  for (const Shortfall& flows : s.flows_not_inspected) out.add(flows);
  for (const Shortfall& rule : s.rules_not_loaded) out.add(rule);
}

}  // namespace

std::string range_text(const TimeRange& range) {
  return fmt::format("{} to {}", range.since_ns ? format_time(*range.since_ns) : "the beginning",
                     range.until_ns ? format_time(*range.until_ns) : "the end");
}

std::vector<Shortfall> ExtractStatement::shortfalls() const {
  Shortfalls out;
  if (store.packets == 0 && !presence.known())
    out.add({"empty", false, 0, "", std::nullopt, "the store holds no packets", {}});
  add_damage(out, *this);
  for (const Shortfall& shortfall : presence.shortfalls(needs_records)) out.add(shortfall);
  add_losses(out, *this);
  add_uninspected(out, *this);
  return out.take();
}

std::vector<std::string> ExtractStatement::reasons() const {
  std::vector<std::string> out;
  std::map<std::string_view, size_t> of_a_kind;
  for (const Shortfall& shortfall : shortfalls()) {
    if (++of_a_kind[shortfall.code] <= kShortfallsOfAKindMax) out.push_back(shortfall.text);
  }
  for (const auto& [code, count] : of_a_kind) {
    if (count > kShortfallsOfAKindMax) {
      out.push_back(fmt::format("and {} more of the kind \"{}\"", count - kShortfallsOfAKindMax, code));
    }
  }
  return out;
}

const char* ExtractStatement::completeness() const {
  const std::vector<Shortfall> all = shortfalls();
  if (all.empty()) return "complete";
  return std::ranges::any_of(all, &Shortfall::missing) ? "incomplete" : "unknown";
}

std::vector<Interval> ExtractStatement::complete_spans() const {
  if (!presence.known()) return {};
  std::vector<Interval> spans = spans_without(shortfalls(), presence.whole());
  std::erase_if(spans, [](const Interval& span) { return span.first_ns == span.last_ns; });
  return spans;
}

namespace {

// Without the word that is kept for statements over the whole range.
std::string spans_text(const ExtractStatement& statement) {
  const std::vector<Interval> spans = statement.complete_spans();
  if (spans.empty()) return "";
  std::string out = " Nothing stands against the time";
  for (size_t i = 0; i < spans.size() && i < kCompleteSpansTold; ++i) {
    out += fmt::format("{} from {} to {}", i == 0 ? "" : ",", format_time(spans[i].first_ns),
                       format_time(spans[i].last_ns));
  }
  if (spans.size() > kCompleteSpansTold)
    out += fmt::format(" and {} more", counted(spans.size() - kCompleteSpansTold, "span", "spans"));
  return out + ".";
}

}  // namespace

std::vector<std::string> describe_runs(const ExtractStatement& statement) {
  const std::vector<RunFacts> runs = statement.presence.runs();
  std::vector<std::string> out;
  for (size_t i = runs.size() - std::min(runs.size(), kRunsTold); i < runs.size(); ++i) {
    const RunFacts& run = runs[i];
    const auto or_unknown = [](const std::string& text) { return text.empty() ? "unknown" : text.c_str(); };
    out.push_back(fmt::format("Recorded on {} by {} with Gatetape {} from {}, run of {}; clock: {}; rules: {}",
                              or_unknown(run.host), or_unknown(run.user), or_unknown(run.build),
                              or_unknown(run.sources), format_time(run.started_ns), or_unknown(run.clock),
                              run.rules.empty() ? "none" : run.rules.c_str()));
  }
  if (runs.size() > kRunsTold) out.push_back(fmt::format("and {} earlier runs", runs.size() - kRunsTold));
  return out;
}

std::string describe(const ExtractStatement& statement) {
  const std::string_view word = statement.completeness();
  std::string out = word == "complete"
                        ? "Complete: the sensor was there all the time, and nothing was lost or is damaged"
                    : word == "unknown" ? "Completeness unknown: "
                                        : "Incomplete: ";
  bool first = true;
  for (const std::string& reason : statement.reasons()) {
    out += (first ? "" : "; ") + reason;
    first = false;
  }
  return out + "." + (word == "complete" ? "" : spans_text(statement));
}

namespace {

void write_time(JsonWriter& json, const char* key, std::optional<int64_t> time) {
  if (time) json.field(key, format_time(*time));
}

void write_interval(JsonWriter& json, const Interval& when) {
  if (when.first_ns != INT64_MIN) json.field("since", format_time(when.first_ns));
  if (when.last_ns != INT64_MAX) json.field("until", format_time(when.last_ns));
}

void write_shortfalls(JsonWriter& json, const ExtractStatement& statement) {
  json.begin_array("reasons");
  for (const std::string& reason : statement.reasons()) json.value(reason);
  json.end_array().begin_array("shortfalls");
  for (const Shortfall& shortfall : statement.shortfalls()) {
    json.begin_object().field("code", shortfall.code).field("missing", shortfall.missing ? "known" : "unknown");
    if (shortfall.count != 0) json.field("count", shortfall.count).field("unit", shortfall.unit);
    if (shortfall.when) write_interval(json, *shortfall.when);
    json.field("text", shortfall.text).end_object();
  }
  json.end_array();
}

// The longest spans of the range against which nothing stands.
void write_complete_spans(JsonWriter& json, const ExtractStatement& statement) {
  std::vector<Interval> spans = statement.complete_spans();
  if (spans.size() > kCompleteSpansMax) spans.resize(kCompleteSpansMax);
  json.begin_array("complete_spans");
  for (const Interval& span : spans) {
    json.begin_object();
    write_interval(json, span);
    json.end_object();
  }
  json.end_array();
}

void write_account(JsonWriter& json, const AccountSpan& span) {
  const WorkerAccount worker = span.worker();
  const PortAccount port = span.port();
  json.begin_object("account").field("seconds_recorded", span.records()).field("offered", port[PortCounter::kOffered]);
  json.field("missed", port[PortCounter::kMissed]).field("received", worker[Counter::kReceived]);
  json.field("stored", worker[Counter::kStored]).field("duplicate", worker[Counter::kDuplicate]);
  json.field("cut", worker[Counter::kCut]);
  for (const CounterGroup group : {CounterGroup::kFiltered, CounterGroup::kDropped}) {
    json.begin_object(kCounterGroups[static_cast<size_t>(group)].name);
    for (size_t i = 0; i < worker.table().size(); ++i) {
      if (worker.table()[i].group == group) json.field(worker.table()[i].name, worker.words()[i]);
    }
    json.end_object();
  }
  json.field("acknowledged_unseen_bytes", worker[Counter::kTcpAcknowledgedUnseen]).end_object();
}

void write_read(JsonWriter& json, const ReadStatistics& read) {
  json.begin_object("read").field("segments", read.segments).field("segments_read", read.segments_read);
  json.field("frames", read.frames).field("frames_read", read.frames_read).field("frames_damaged", read.frames_damaged);
  json.field("packets_visited", read.packets_visited).field("bytes_read", read.bytes_read);
  if (read.bits_repaired != 0) {
    json.field("bits_repaired", read.bits_repaired).begin_array("repaired");
    for (const std::string& line : read.repaired) json.value(line);
    json.end_array();
  }
  if (!read.foreign.empty()) {
    json.field("foreign_entries", read.foreign_entries).begin_array("foreign");
    for (const std::string& line : read.foreign) json.value(line);
    json.end_array();
  }
  if (!read.damage.empty()) {
    json.begin_array("damage");
    for (const std::string& line : read.damage) json.value(line);
    json.end_array();
  }
  json.end_object();
}

void write_origin(JsonWriter& json, const ExtractStatement& statement) {
  const Origin& origin = statement.origin;
  json.field("made", format_time(statement.made_ns)).field("host", origin.host).field("user", origin.user);
  json.field("build", origin.build).begin_array("stores");
  for (const std::string& store : origin.stores) json.value(store);
  json.end_array().begin_array("store_uuids");
  for (const std::string& uuid : statement.store_uuids) json.value(uuid);
  json.end_array();
}

// The runs that recorded the range, the newest last.
void write_runs(JsonWriter& json, const ExtractStatement& statement) {
  const std::vector<RunFacts> runs = statement.presence.runs();
  json.field("runs", runs.size()).begin_array("recorded_by");
  for (size_t i = runs.size() - std::min(runs.size(), kRunsMax); i < runs.size(); ++i) {
    const RunFacts& run = runs[i];
    json.begin_object().field("run_started", format_time(run.started_ns));
    // A file's run ends at a time of its packets, which says nothing beside a beginning by the wall clock.
    if (run.ended_ns && !run.of_file) json.field("run_ended", format_time(*run.ended_ns));
    json.field("host", run.host).field("user", run.user).field("build", run.build).field("sources", run.sources);
    json.field("filters", run.filters).field("rules", run.rules).field("clock", run.clock).end_object();
  }
  json.end_array();
}

void write_bundle(JsonWriter& json, const BundleFacts& bundle, uint64_t packets) {
  json.begin_object("bundle").field("proven", bundle.proven).field("not_proven", packets - bundle.proven);
  json.begin_array("reasons");
  for (const std::string& reason : bundle.not_proven) json.value(reason);
  json.end_array().begin_object("checkpoint").field("origin", bundle.checkpoint_origin);
  json.field("entries", bundle.checkpoint_leaves).field("time", format_time(bundle.checkpoint_ns));
  json.field("key", bundle.key_fingerprint).end_object();
  json.field("manifest_signed", bundle.manifest_signed).end_object();
}

}  // namespace

void append_statement(std::string& out, const ExtractStatement& statement) {
  JsonWriter json(out);
  json.begin_object();
  write_origin(json, statement);
  json.field("expression", statement.expression).begin_object("time_range");
  write_time(json, "since", statement.range.since_ns);
  write_time(json, "until", statement.range.until_ns);
  json.end_object().field("completeness", statement.completeness());
  write_shortfalls(json, statement);
  write_complete_spans(json, statement);
  json.field("packets", statement.packets).field("bytes", statement.captured_bytes);
  json.field("flows", statement.flows).field("flows_counted", statement.flows_counted);
  write_time(json, "first_packet", statement.first_ns);
  write_time(json, "last_packet", statement.last_ns);
  json.field("gap_bytes", statement.gap_bytes);
  write_runs(json, statement);
  write_account(json, statement.account);
  json.begin_object("store").field("packets", statement.store.packets).field("segments", statement.store.segments);
  if (statement.store.packets != 0) {
    write_time(json, "oldest", statement.store.oldest_ns);
    write_time(json, "newest", statement.store.newest_ns);
  }
  json.end_object();
  write_read(json, statement.read);
  if (statement.custody) {
    json.begin_object("custody").field("noted", statement.custody->noted);
    if (!statement.custody->noted) json.field("why_not", statement.custody->why_not);
    json.end_object();
  }
  if (statement.bundle) write_bundle(json, *statement.bundle, statement.packets);
  json.end_object();
}

}  // namespace gatetape
