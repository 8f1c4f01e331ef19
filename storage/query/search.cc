#include "storage/query/search.h"

#include "common/sorted_spool.h"
#include "storage/read/record_reader.h"

namespace gatetape {

namespace {

bool lies_in(const Record& record, const TimeRange& range) {
  if (const auto* flow = std::get_if<FlowRecord>(&record)) {
    return range.touches(flow->first_timestamp_ns, flow->last_timestamp_ns);
  }
  const int64_t time_ns = time_of(record).first_ns;
  return range.touches(time_ns, time_ns);
}

// Numbers in the order of their bytes.
void append_key(std::string& key, int64_t number) {
  const uint64_t bits = static_cast<uint64_t>(number) ^ uint64_t { 1 } << 63;
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(bits >> shift & 0xff));
}

// Records without a value come last, whatever the direction; among equal ones the time decides.
std::string key_of(const Record& record, const SearchOrder& order) {
  std::string key;
  if (order.by) {
    const FieldValue value = order.by->value(record);
    const bool none = value.index() == 0;
    key.push_back(none != order.descending ? '\2' : '\1');
    if (const auto* number = std::get_if<int64_t>(&value)) append_key(key, *number);
    if (const auto* text = std::get_if<std::string>(&value)) key += *text;
    key.push_back('\0');
  }
  append_key(key, time_of(record).first_ns);
  return key;
}

// Which transaction an alert was raised in. Two that have one key are marked both.
uint64_t transaction_key(uint64_t flow_id, uint64_t transaction_id) {
  return (flow_id + 1) * 0x9e3779b97f4a7c15u ^ transaction_id * 0xc4ceb9fe1a85ec53u;
}

}  // namespace

RecordTypes types_of(SearchKind kind) {
  switch (kind) {
    case SearchKind::kFlows:
      return record_types<FlowRecord>();
    case SearchKind::kHttp:
      return record_types<HttpRecord>();
    case SearchKind::kAlerts:
      return record_types<AlertRecord>();
    case SearchKind::kTransactions:
      return record_types<TransactionRecord>();
  }
  return 0;
}

Result<void> learn_connections(StoreReader& reader, Expression& expression, const TimeRange& range) {
  std::optional<int64_t> since = range.since_ns;
  if (since) *since -= Expression::kLookBackNanoseconds;
  const auto learn = [&](const Record& record) {
    expression.learn(record, range);
    return true;
  };
  const Result<ReadStatistics> read = reader.records({since, range.until_ns, expression.record_types()}, learn);
  if (!read) return tl::unexpected<Error>(read.error());
  return expression.learned();
}

Result<ReadStatistics> search(StoreReader& reader, Expression& expression, SearchKind kind, const TimeRange& range,
                              const std::function<bool(const Record&)>& visit) {
  if (expression.record_types() != 0) {
    if (Result<void> learned = learn_connections(reader, expression, range); !learned) return pass_on(learned);
  }
  return reader.records({range.since_ns, range.until_ns, types_of(kind)}, [&](const Record& record) {
    return !lies_in(record, range) || !expression.matches(record) || visit(record);
  });
}

Result<ReadStatistics> search_in_order(StoreReader& reader, Expression& expression, SearchKind kind,
                                       const TimeRange& range, const SearchOrder& order,
                                       const std::function<bool(const Record&)>& visit,
                                       const std::function<bool()>& stop) {
  SortedSpool spool(order.descending);
  Result<void> added;
  RecordBatch one;
  Result<ReadStatistics> read = search(reader, expression, kind, range, [&](const Record& record) {
    one.clear();
    one.append(record);
    added = spool.add(key_of(record, order), {reinterpret_cast<const char*>(one.bytes().data()), one.size_bytes()});
    return added && !stop();
  });
  if (!read) return read;
  if (!added) return pass_on(added);
  if (stop()) return read;
  bool more = true;
  Result<void> visited = spool.visit([&](std::string_view bytes) {
    const auto parsed = for_each_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                        [&](const Record& record) { more = visit(record); });
    return parsed && more;
  });
  if (!visited) return pass_on(visited);
  return read;
}

Result<void> AlertMarks::learn(StoreReader& reader, const TimeRange& range) {
  std::optional<int64_t> until = range.until_ns;
  if (until) *until += Expression::kLookBackNanoseconds;  // a response may come late
  const RecordQuery query{range.since_ns, until, record_types<AlertRecord>()};
  const Result<ReadStatistics> read = reader.records(query, [&](const Record& record) {
    const auto& alert = std::get<AlertRecord>(record);
    if (!alert.has_transaction) return true;
    if (counts_.size() >= kConnectionsMax) complete_ = false;
    if (complete_) ++counts_[transaction_key(alert.flow_id, alert.transaction_id)];
    return complete_;
  });
  if (!read) return tl::unexpected<Error>(read.error());
  return {};
}

uint32_t AlertMarks::alerts_of(const Record& record) const {
  if (const auto* flow = std::get_if<FlowRecord>(&record)) return flow->alerts;
  uint64_t key = 0;
  if (const auto* http = std::get_if<HttpRecord>(&record)) key = transaction_key(http->flow_id, http->transaction_id);
  if (const auto* other = std::get_if<TransactionRecord>(&record)) {
    key = transaction_key(other->flow_id, other->transaction_id);
  }
  const auto found = counts_.find(key);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace gatetape
