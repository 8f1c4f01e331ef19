#include "storage/query/extract.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "common/clock.h"
#include "common/time_text.h"
#include "storage/query/index_planning.h"
#include "storage/query/inspection_coverage.h"
#include "storage/query/rule_coverage.h"

namespace gatetape {

namespace {

// Which flows the packets belong to, and which bytes of them TCP proves to be missing.
class FlowTally {
 public:
  void learn(const FlowRecord& flow) {
    const uint64_t gap = flow.gap_bytes[0] + flow.gap_bytes[1];
    if (gap == 0 || gaps_.size() >= kFlowsCountedMax) return;
    const auto [known, added] = gaps_.try_emplace(flow.flow_id);
    Gap& all = known->second;
    all.when = added ? Interval{flow.first_timestamp_ns, flow.last_timestamp_ns}
                     : Interval{std::min(all.when.first_ns, flow.first_timestamp_ns),
                                std::max(all.when.last_ns, flow.last_timestamp_ns)};
    all.bytes += gap;
  }

  void note(uint64_t flow_id, ExtractStatement& statement) {
    if (flow_id == 0 || flow_id == last_) return;
    last_ = flow_id;
    if (seen_.size() == kFlowsCountedMax) {
      statement.flows_counted = false;
      return;
    }
    if (!seen_.insert(flow_id).second) return;
    ++statement.flows;
    const auto gap = gaps_.find(flow_id);
    if (gap == gaps_.end()) return;
    statement.gap_bytes += gap->second.bytes;
    std::optional<Interval>& when = statement.gaps_when;
    if (!when) when = gap->second.when;
    when = Interval{std::min(when->first_ns, gap->second.when.first_ns),
                    std::max(when->last_ns, gap->second.when.last_ns)};
  }

 private:
  struct Gap {
    uint64_t bytes = 0;
    Interval when;
  };
  std::unordered_map<uint64_t, Gap> gaps_;
  std::unordered_set<uint64_t> seen_;
  uint64_t last_ = 0;
};

void note_packet(const StoredPacket& stored, ExtractStatement& statement) {
  const int64_t time = stored.packet.timestamp_ns;
  ++statement.packets;
  statement.captured_bytes += stored.packet.captured_length;
  statement.first_ns = statement.first_ns ? std::min(*statement.first_ns, time) : time;
  statement.last_ns = statement.last_ns ? std::max(*statement.last_ns, time) : time;
}

// Stands at the file's beginning, where nobody can tell yet how complete it will be.
std::string comment_of(const ExtractStatement& statement) {
  std::string comment = fmt::format(
      "Extracted by Gatetape{}{} at {}{}{}. Expression: {}. Time range: {}. The statement of completeness "
      "stands at the end of this file, with the statistics of the first interface.",
      statement.origin.build.empty() ? "" : " ", statement.origin.build, format_time(statement.made_ns),
      statement.origin.host.empty() ? "" : " on ", statement.origin.host,
      statement.expression.empty() ? "everything" : statement.expression, range_text(statement.range));
  for (const std::string& run : describe_runs(statement)) comment += " " + run + ".";
  return comment;
}

void merge_damage(ReadStatistics& into, const ReadStatistics& from) {
  into.frames_damaged += from.frames_damaged;
  into.bits_repaired += from.bits_repaired;
  into.repaired.insert(into.repaired.end(), from.repaired.begin(), from.repaired.end());
  into.segments_vanished += from.segments_vanished;
  into.damage.insert(into.damage.end(), from.damage.begin(), from.damage.end());
}

// Runs may have begun long before the range, and their marks stand apart from all other records.
Result<void> learn_runs(StoreReader& reader, ExtractStatement& statement, RuleCoverage& rules) {
  const RecordQuery query{std::nullopt, std::nullopt, record_types<RunRecord>()};
  const Result<ReadStatistics> read = reader.records(query, [&](const Record& record) {
    if (const auto* run = std::get_if<RunRecord>(&record)) {
      statement.presence.add(*run);
      rules.add(*run);
    }
    return true;
  });
  if (!read) return tl::unexpected<Error>(read.error());
  merge_damage(statement.read_records, *read);
  return {};
}

// Everything that the records of the time tell: which connections are meant, what the sensor lost, where TCP shows
// gaps.
Result<void> learn_from_records(StoreReader& reader, Expression& expression, ExtractStatement& statement,
                                FlowTally& flows) {
  InspectionCoverage inspection(statement.range);
  std::optional<int64_t> since = statement.range.since_ns, until = statement.range.until_ns;
  if (since) *since -= std::max(Expression::kLookBackNanoseconds, AccountSpan::kMarginNanoseconds);
  if (until) *until += AccountSpan::kMarginNanoseconds;
  constexpr RecordTypes kOurs = record_types<AccountRecord, FlowRecord, SyncFailureRecord>();
  const RecordQuery query{since, until, kOurs | expression.record_types()};
  const Result<ReadStatistics> read = reader.records(query, [&](const Record& record) {
    expression.learn(record, statement.range);
    if (const auto* account = std::get_if<AccountRecord>(&record)) {
      statement.account.add(*account);
      statement.presence.add(*account);
    }
    if (const auto* unsafe = std::get_if<SyncFailureRecord>(&record)) statement.presence.add(*unsafe);
    if (const auto* flow = std::get_if<FlowRecord>(&record)) {
      flows.learn(*flow);
      inspection.add(*flow);
    }
    return true;
  });
  if (!read) return tl::unexpected<Error>(read.error());
  statement.flows_not_inspected = inspection.shortfalls();
  merge_damage(statement.read_records, *read);
  return expression.learned();
}

// Segments that were there once. Those that were evicted since the ledger was read have their tombstones in it by now.
std::vector<StoreHistory::Segment> absent_now(FileSystem& files, const StoreHistory& history,
                                              std::span<const StoredSegment> present,
                                              const std::vector<std::string>& directories) {
  std::vector<StoreHistory::Segment> absent = absent_segments(history, present);
  if (std::ranges::all_of(absent, [](const auto& segment) { return segment.evicted_ns.has_value(); })) return absent;
  // Segments that were sealed since then are no longer of the answer's time.
  std::set<std::pair<Uuid, uint64_t>> known;
  for (const StoreHistory::Segment& segment : absent) known.emplace(segment.facts.run_uuid, segment.facts.sequence);
  absent = absent_segments(read_history(files, directories), present);
  std::erase_if(absent, [&](const StoreHistory::Segment& segment) {
    return !known.contains({segment.facts.run_uuid, segment.facts.sequence});
  });
  return absent;
}

// A run that began since the ledger was read is in it by now: it stands there before its first segment is made.
size_t runs_not_listed_now(FileSystem& files, const StoreHistory& history, std::span<const StoredSegment> present,
                           const std::vector<std::string>& directories) {
  const size_t runs = directories.empty() ? 0 : runs_not_listed(history, present);
  return runs == 0 ? 0 : runs_not_listed(read_history(files, directories), present);
}

// The summary names the link types that an expression is compiled for: it may have missed one, though later reads went
// well.
void add_damage_of_summary(ExtractStatement& statement) {
  const auto is_known = [&](const std::string& line) {
    return std::ranges::find(statement.read.damage, line) != statement.read.damage.end() ||
           std::ranges::find(statement.read_records.damage, line) != statement.read_records.damage.end();
  };
  for (const std::string& line : statement.store.read.damage) {
    if (is_known(line)) continue;
    statement.read.damage.push_back(line);
    ++statement.read.frames_damaged;
  }
}

// Those that were there all the while, as they were before: what came into them later may not have been read.
std::vector<StoredSegment> there_throughout(std::vector<StoredSegment> before, std::span<const StoredSegment> after) {
  std::set<std::pair<Uuid, uint64_t>> left;
  for (const StoredSegment& segment : after) left.emplace(segment.run_uuid, segment.sequence);
  std::erase_if(before, [&](const StoredSegment& segment) {
    return !left.contains({segment.run_uuid, segment.sequence});
  });
  return before;
}

}  // namespace

Result<ExtractStatement> follow(StoreTail& tail, Expression& expression, const ExtractRequest& request,
                                const std::function<bool()>& stop) {
  using Steady = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kPauseMin{200}, kStep{20};
  if (Result<void> learned = expression.learned(); !learned) return pass_on(learned);
  ExtractStatement statement;
  statement.expression = expression.text();
  statement.range = request.range;
  statement.origin = request.origin;
  statement.made_ns = wall_clock_ns();
  Result<std::vector<StoreInterface>> interfaces = tail.interfaces();
  if (!interfaces) return pass_on(interfaces);
  PcapOutputOptions options = request.output;
  options.interfaces = std::move(*interfaces);
  Result<std::unique_ptr<PcapOutput>> output = PcapOutput::open(options);
  if (!output) return pass_on(output);
  const StoreQuery query{request.range.since_ns, request.range.until_ns, index_filter_of(expression)};
  Result<void> written = (*output)->flush();
  while (written && !stop()) {
    const Steady::time_point begin = Steady::now();
    Result<ReadStatistics> read = tail.packets(query, [&](const StoredPacket& packet) {
      if (stop()) return false;
      if (!expression.matches(packet)) return true;
      note_packet(packet, statement);
      written = (*output)->write(packet.packet);
      return written.has_value();
    });
    if (!read) return pass_on(read);
    if (written) written = (*output)->flush();
    // At most half of the time is spent with reading.
    const Steady::time_point end = Steady::now(), next = end + std::max<Steady::duration>(end - begin, kPauseMin);
    while (Steady::now() < next && !stop()) std::this_thread::sleep_for(kStep);
  }
  if (written)
    written = (*output)->finish("Extracted while it was being recorded: nothing is said of its completeness.");
  if (!written) return pass_on(written);
  return statement;
}

std::vector<LinkType> link_types_of(const StoreSummary& summary) {
  std::vector<LinkType> types;
  for (const StoreInterface& interface : summary.interfaces) {
    if (std::ranges::find(types, interface.link_type) == types.end()) types.push_back(interface.link_type);
  }
  return types;
}

Result<ExtractStatement> extract(StoreReader& reader, Expression& expression, const ExtractRequest& request,
                                 const std::function<bool()>& stop) {
  ExtractStatement statement;
  FlowTally flows;
  statement.expression = expression.text();
  statement.range = request.range;
  statement.account = AccountSpan(request.range);
  statement.presence = Presence(request.range);
  statement.origin = request.origin;
  statement.made_ns = wall_clock_ns();
  statement.needs_records = expression.record_types() != 0;
  statement.needs_alerts = !expression.sids().empty();
  RuleCoverage rules(expression.sids());
  // Read before the segments are listed, so that none is in it which is not there yet.
  FileSystem& files = request.files != nullptr ? *request.files : system_files();
  const StoreHistory history = read_history(files, request.origin.stores);
  statement.store_uuids = history.stores;
  statement.read.damage = history.problems;
  Result<StoreSummary> summary = reader.summary();
  if (!summary) return pass_on(summary);
  statement.store = std::move(*summary);
  if (Result<void> learned = learn_runs(reader, statement, rules); !learned) return pass_on(learned);
  if (Result<void> learned = learn_from_records(reader, expression, statement, flows); !learned)
    return pass_on(learned);

  PcapOutputOptions options = request.output;
  options.stop = stop;
  options.interfaces = statement.store.interfaces;
  options.comment = comment_of(statement);
  Result<std::unique_ptr<PcapOutput>> output = PcapOutput::open(options);
  if (!output) return pass_on(output);

  const StoreQuery query{request.range.since_ns, request.range.until_ns, index_filter_of(expression)};
  // The accounts that it is held against were read before.
  Result<std::vector<StoredSegment>> before = reader.segments();
  if (!before) return pass_on(before);
  Result<void> written;
  bool stopped = false;
  Result<ReadStatistics> read = reader.packets(query, [&](const StoredPacket& packet) {
    stopped = stop();
    if (stopped) return false;
    if (!expression.matches(packet)) return true;
    note_packet(packet, statement);
    flows.note(packet.flow_id, statement);
    if (request.written) request.written(packet);
    written = (*output)->write(packet.packet);
    return written.has_value();
  });
  if (!read) return pass_on(read);
  if (!written) return pass_on(written);
  if (stopped) return fail("interrupted: nothing was kept");
  read->damage.insert(read->damage.begin(), statement.read.damage.begin(), statement.read.damage.end());
  statement.read = std::move(*read);
  add_damage_of_summary(statement);
  // Asked again, so that what was evicted meanwhile shows.
  Result<std::vector<StoredSegment>> after = reader.segments();
  if (!after) return pass_on(after);
  const std::vector<StoredSegment> segments = there_throughout(std::move(*before), *after);
  statement.presence.add_segments(segments, absent_now(files, history, segments, request.origin.stores));
  statement.presence.add_history(history, runs_not_listed_now(files, history, segments, request.origin.stores));
  statement.rules_not_loaded = rules.shortfalls(request.range);
  written = (*output)->finish(describe(statement));
  if (!written) return pass_on(written);
  return statement;
}

}  // namespace gatetape
