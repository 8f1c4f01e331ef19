// Search: the stored records of one kind that an expression selects within a time range. One thread.
#pragma once

#include <cstdint>
#include <functional>

#include "expression/expression.h"
#include "storage/read/store_reader.h"

namespace gatetape {

enum class SearchKind : uint8_t { kFlows, kHttp, kAlerts, kTransactions };  // the last: of protocols other than HTTP

// Visits in the order written, which for flows is the order in which they ended; `visit` returns false to stop. A flow
// counts when any of it lies in the range, a transaction by its request, an alert by its packet. Reads the records
// twice when a term has to be answered by the connection: `sid` for flows and transactions, http.* for flows.
// Precondition: expression.check_for_records() passed.
Result<ReadStatistics> search(StoreReader& reader, Expression& expression, SearchKind kind, const TimeRange& range,
                              const std::function<bool(const Record&)>& visit);

// Tells the expression which connections its terms about records mean. Reads nothing when it has none.
Result<void> learn_connections(StoreReader& reader, Expression& expression, const TimeRange& range);

}  // namespace gatetape
