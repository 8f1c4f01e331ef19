// Search: the stored records of one kind that an expression selects within a time range. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>

#include "expression/expression.h"
#include "packet/record_fields.h"
#include "storage/read/store_reader.h"

namespace gatetape {

enum class SearchKind : uint8_t { kFlows, kHttp, kAlerts, kTransactions };  // the last: of protocols other than HTTP

RecordTypes types_of(SearchKind kind);

// Visits in the order written, which for flows is the order in which they ended; `visit` returns false to stop. A flow
// counts when any of it lies in the range, a transaction by its request, an alert by its packet. Reads the records
// twice when a term has to be answered by the connection: `sid` for flows and transactions, http.* for flows.
// Precondition: expression.check_for_records() passed.
Result<ReadStatistics> search(StoreReader& reader, Expression& expression, SearchKind kind, const TimeRange& range,
                              const std::function<bool(const Record&)>& visit);

struct SearchOrder {
  std::optional<FieldRef> by = {};  // nothing: by time, for flows that of their first packet
  bool descending = false;
};

// As search(), in order. Nothing is visited before all is read: up to 64 MiB of records wait in memory, more in a
// temporary file (common/sorted_spool.h). `stop` is asked for each record that is read.
Result<ReadStatistics> search_in_order(StoreReader& reader, Expression& expression, SearchKind kind,
                                       const TimeRange& range, const SearchOrder& order,
                                       const std::function<bool(const Record&)>& visit,
                                       const std::function<bool()>& stop);

// How many alerts were raised in transactions and flows. Sixteen bytes or so for each transaction that has one, for at
// most kConnectionsMax of them.
class AlertMarks {
 public:
  // Reads the alerts of a range. Flows need none of it: their records say how many they have.
  Result<void> learn(StoreReader& reader, const TimeRange& range);
  bool complete() const { return complete_; }  // false: there were too many
  uint32_t alerts_of(const Record& record) const;

 private:
  std::unordered_map<uint64_t, uint32_t> counts_;
  bool complete_ = true;
};

// Tells the expression which connections its terms about records mean. Reads nothing when it has none.
Result<void> learn_connections(StoreReader& reader, Expression& expression, const TimeRange& range);

}  // namespace gatetape
