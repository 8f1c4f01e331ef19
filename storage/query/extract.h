// Extraction: the packets that an expression selects within a time range, written to a capture file, and a statement of
// how complete that is. One thread; memory does not grow with the packets.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "expression/expression.h"
#include "packet/account.h"
#include "storage/query/account_span.h"
#include "storage/query/pcap_output.h"
#include "storage/read/store_reader.h"

namespace gatetape {

struct ExtractStatement {
  std::string expression;
  TimeRange range;
  StoreSummary store;  // at the start
  uint64_t packets = 0;
  uint64_t captured_bytes = 0;
  uint64_t flows = 0;                        // distinct, of the packets written
  bool flows_counted = true;                 // false: more than kFlowsCountedMax; flows and gaps are lower bounds
  std::optional<int64_t> first_ns, last_ns;  // smallest and largest time written
  AccountSpan account;                       // the sensor lost or left out so much while the range lasted
  uint64_t gap_bytes = 0;                    // in the flows written: acknowledged by the receiver, never seen
  ReadStatistics read;

  // Why something that was on the wire may be missing, in words; empty: nothing is known to be missing.
  std::vector<std::string> reasons() const;
  // Whether the store can tell at all: it has an account of the range.
  bool known() const { return account.records() != 0; }
  // "complete", "incomplete" or "unknown".
  const char* completeness() const;
};

inline constexpr size_t kFlowsCountedMax = 2'000'000;

struct ExtractRequest {
  TimeRange range;
  PcapOutputOptions output;  // interfaces and comment are filled in here
};

// `stop` is asked after each packet read; when it says so, nothing is left of the output file and the extraction fails.
// Precondition: `expression` is compiled. Afterwards it is resolved: index_filter_of() and explain() tell the question.
Result<ExtractStatement> extract(StoreReader& reader, Expression& expression, const ExtractRequest& request,
                                 const std::function<bool()>& stop);

// The link types of the store's interfaces, for Expression::compile.
std::vector<LinkType> link_types_of(const StoreSummary& summary);

// The statement as one JSON object.
void append_statement(std::string& out, const ExtractStatement& statement);
// In a few lines for people.
std::string describe(const ExtractStatement& statement);

}  // namespace gatetape
