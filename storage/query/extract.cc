#include "storage/query/extract.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "common/clock.h"
#include "common/time_text.h"
#include "storage/query/index_planning.h"
#include "storage/query/rule_coverage.h"

namespace gatetape {

namespace {

// Which flows the packets belong to, and which bytes of them TCP proves to be missing.
class FlowTally {
 public:
  void learn(const FlowRecord& flow) {
    const uint64_t gap = flow.gap_bytes[0] + flow.gap_bytes[1];
    if (gap != 0 && gaps_.size() < kFlowsCountedMax) gaps_[flow.flow_id] += gap;
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
    if (gap != gaps_.end()) statement.gap_bytes += gap->second;
  }

 private:
  std::unordered_map<uint64_t, uint64_t> gaps_;
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
  return fmt::format(
      "Extracted by Gatetape{}{} at {}{}{}. Expression: {}. Time range: {}. The statement of completeness "
      "stands at the end of this file, with the statistics of the first interface.",
      statement.origin.build.empty() ? "" : " ", statement.origin.build, format_time(statement.made_ns),
      statement.origin.host.empty() ? "" : " on ", statement.origin.host,
      statement.expression.empty() ? "everything" : statement.expression, range_text(statement.range));
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
    if (const auto* flow = std::get_if<FlowRecord>(&record)) flows.learn(*flow);
    return true;
  });
  if (!read) return tl::unexpected<Error>(read.error());
  merge_damage(statement.read_records, *read);
  return expression.learned();
}

}  // namespace

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
  RuleCoverage rules(expression.sids());
  Result<StoreSummary> summary = reader.summary();
  if (!summary) return pass_on(summary);
  statement.store = std::move(*summary);
  if (Result<void> learned = learn_runs(reader, statement, rules); !learned) return pass_on(learned);
  if (Result<void> learned = learn_from_records(reader, expression, statement, flows); !learned)
    return pass_on(learned);

  PcapOutputOptions options = request.output;
  options.interfaces = statement.store.interfaces;
  options.comment = comment_of(statement);
  Result<std::unique_ptr<PcapOutput>> output = PcapOutput::open(options);
  if (!output) return pass_on(output);

  const StoreQuery query{request.range.since_ns, request.range.until_ns, index_filter_of(expression)};
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
  statement.read = std::move(*read);
  // Asked now, so that what was evicted meanwhile shows.
  Result<std::vector<StoredSegment>> segments = reader.segments();
  if (!segments) return pass_on(segments);
  statement.presence.add_segments(*segments);
  statement.rules_not_loaded = rules.shortfalls(request.range);
  written = (*output)->finish(describe(statement));
  if (!written) return pass_on(written);
  return statement;
}

}  // namespace gatetape
