#include "storage/query/extract.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "common/json_writer.h"
#include "common/time_text.h"
#include "packet/account_report.h"
#include "storage/query/index_planning.h"

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

std::string range_text(const TimeRange& range) {
  return fmt::format("{} to {}", range.since_ns ? format_time(*range.since_ns) : "the beginning",
                     range.until_ns ? format_time(*range.until_ns) : "the end");
}

// Written before the first packet: what reading will meet stands at the end, with the interface statistics.
std::string comment_of(const ExtractStatement& statement) {
  const std::string account = statement.known() && statement.reasons().empty()
                                  ? "The account of this time shows nothing missed or dropped."
                                  : describe(statement);
  return fmt::format("Extracted by Gatetape. Expression: {}. Time range: {}. {}",
                     statement.expression.empty() ? "everything" : statement.expression, range_text(statement.range),
                     account);
}

// Everything that records tell: which connections are meant, what the sensor lost, where TCP shows gaps.
Result<void> learn_from_records(StoreReader& reader, Expression& expression, ExtractStatement& statement,
                                FlowTally& flows) {
  std::optional<int64_t> since = statement.range.since_ns, until = statement.range.until_ns;
  if (since) *since -= std::max(Expression::kLookBackNanoseconds, AccountSpan::kMarginNanoseconds);
  if (until) *until += AccountSpan::kMarginNanoseconds;
  constexpr RecordTypes kOurs = record_types<AccountRecord, FlowRecord>();
  const RecordQuery query{since, until, kOurs | expression.record_types()};
  const Result<ReadStatistics> read = reader.records(query, [&](const Record& record) {
    expression.learn(record, statement.range);
    if (const auto* account = std::get_if<AccountRecord>(&record)) statement.account.add(*account);
    if (const auto* flow = std::get_if<FlowRecord>(&record)) flows.learn(*flow);
    return true;
  });
  if (!read) return tl::unexpected<Error>(read.error());
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
  Result<StoreSummary> summary = reader.summary();
  if (!summary) return pass_on(summary);
  statement.store = std::move(*summary);
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
    written = (*output)->write(packet.packet);
    return written.has_value();
  });
  if (!read) return pass_on(read);
  if (!written) return pass_on(written);
  if (stopped) return fail("interrupted: nothing was kept");
  statement.read = std::move(*read);
  written = (*output)->finish(describe(statement));
  if (!written) return pass_on(written);
  return statement;
}

// ---------------------------------------------------------------- the statement

std::vector<std::string> ExtractStatement::reasons() const {
  std::vector<std::string> out;
  const auto add_if = [&](uint64_t count, const char* what) {
    if (count != 0) out.push_back(fmt::format("{} {}", count, what));
  };
  add_if(read.frames_damaged, "frames of the store are damaged");
  if (store.packets == 0) out.push_back("the store holds no packets");
  if (range.since_ns && store.packets != 0 && store.oldest_ns > *range.since_ns) {
    out.push_back(fmt::format("the store begins at {}, after the time asked for", format_time(store.oldest_ns)));
  }
  // A quiet network is no gap: the account, written each second, shows that the sensor was there.
  const bool watched_until_end = range.until_ns && account.last_ns() >= *range.until_ns - 2 * kNanosecondsPerSecond;
  if (range.until_ns && store.packets != 0 && store.newest_ns < *range.until_ns && !watched_until_end) {
    out.push_back(fmt::format("the store ends at {}, before the time asked for", format_time(store.newest_ns)));
  }
  for (std::string& loss : losses(account.port())) out.push_back(std::move(loss));
  for (std::string& loss : losses(account.worker())) out.push_back(std::move(loss));
  add_if(gap_bytes, "bytes of these connections were acknowledged but never seen by the sensor");
  return out;
}

const char* ExtractStatement::completeness() const {
  if (!reasons().empty()) return "incomplete";
  return known() ? "complete" : "unknown";
}

std::string describe(const ExtractStatement& statement) {
  std::string out;
  const std::vector<std::string> reasons = statement.reasons();
  for (const std::string& reason : reasons) out += (out.empty() ? "Incomplete: " : "; ") + reason;
  if (reasons.empty()) {
    out = statement.known() ? "Complete: the account of this time shows nothing missed, dropped or damaged"
                            : "Completeness unknown: the store has no account of this time";
  } else if (!statement.known()) {
    out += "; the store has no account of this time";
  }
  return out + ".";
}

namespace {

void write_time(JsonWriter& json, const char* key, std::optional<int64_t> time) {
  if (time) json.field(key, format_time(*time));
}

void write_account(JsonWriter& json, const AccountSpan& span) {
  const WorkerAccount worker = span.worker();
  const PortAccount port = span.port();
  json.begin_object("account").field("seconds_recorded", span.records());
  json.field("offered", port[PortCounter::kOffered]).field("missed", port[PortCounter::kMissed]);
  append_balance(json, worker);
  json.field("acknowledged_unseen_bytes", worker[Counter::kTcpAcknowledgedUnseen]);
  append_beside_balance(json, worker);
  json.end_object();
}

void write_read(JsonWriter& json, const ReadStatistics& read) {
  json.begin_object("read").field("segments", read.segments).field("segments_read", read.segments_read);
  json.field("frames", read.frames).field("frames_read", read.frames_read).field("frames_damaged", read.frames_damaged);
  json.field("packets_visited", read.packets_visited).field("bytes_read", read.bytes_read);
  if (!read.damage.empty()) {
    json.begin_array("damage");
    for (const std::string& line : read.damage) json.value(line);
    json.end_array();
  }
  json.end_object();
}

}  // namespace

void append_statement(std::string& out, const ExtractStatement& statement) {
  JsonWriter json(out);
  json.begin_object().field("expression", statement.expression).begin_object("time_range");
  write_time(json, "since", statement.range.since_ns);
  write_time(json, "until", statement.range.until_ns);
  json.end_object().field("completeness", statement.completeness()).begin_array("reasons");
  for (const std::string& reason : statement.reasons()) json.value(reason);
  json.end_array().field("packets", statement.packets).field("bytes", statement.captured_bytes);
  json.field("flows", statement.flows).field("flows_counted", statement.flows_counted);
  write_time(json, "first_packet", statement.first_ns);
  write_time(json, "last_packet", statement.last_ns);
  json.field("gap_bytes", statement.gap_bytes);
  write_account(json, statement.account);
  json.begin_object("store").field("packets", statement.store.packets).field("segments", statement.store.segments);
  if (statement.store.packets != 0) {
    write_time(json, "oldest", statement.store.oldest_ns);
    write_time(json, "newest", statement.store.newest_ns);
  }
  json.end_object();
  write_read(json, statement.read);
  json.end_object();
}

}  // namespace gatetape
