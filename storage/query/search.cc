#include "storage/query/search.h"

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
  }
  return 0;
}

bool lies_in(const Record& record, const TimeRange& range) {
  if (const auto* flow = std::get_if<FlowRecord>(&record)) {
    return range.touches(flow->first_timestamp_ns, flow->last_timestamp_ns);
  }
  if (const auto* http = std::get_if<HttpRecord>(&record)) return range.touches(http->timestamp_ns, http->timestamp_ns);
  if (const auto* alert = std::get_if<AlertRecord>(&record)) {
    return range.touches(alert->timestamp_ns, alert->timestamp_ns);
  }
  return false;
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

}  // namespace

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
