#include "storage/query/search.h"

#include "storage/read/record_reader.h"

namespace gatetape {

namespace {

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

bool lies_in(const Record& record, const TimeRange& range) {
  if (const auto* flow = std::get_if<FlowRecord>(&record)) {
    return range.touches(flow->first_timestamp_ns, flow->last_timestamp_ns);
  }
  const int64_t time_ns = time_of(record).first_ns;
  return range.touches(time_ns, time_ns);
}

}  // namespace

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

}  // namespace gatetape
