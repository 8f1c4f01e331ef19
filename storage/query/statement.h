// The statement that goes with every extract: what was asked, what came out, and how complete that is. It says
// "complete" only where the store proves that the sensor was present and that nothing is missing; "incomplete" where
// something is known to be missing; "unknown" where nobody can tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/time_range.h"
#include "storage/query/account_span.h"
#include "storage/query/presence.h"
#include "storage/read/store_reader.h"

namespace gatetape {

// The asker, for the record. Empty: not known.
struct Origin {
  std::string host, user, build;
  std::vector<std::string> stores;
};

// How far a bundle proves the packets in it.
struct BundleFacts {
  uint64_t proven = 0;
  std::vector<std::string> not_proven;  // why the others are not
  std::string checkpoint_origin;
  uint64_t checkpoint_leaves = 0;
  int64_t checkpoint_ns = 0;
  std::string key_fingerprint;   // the key that signed the checkpoint
  bool manifest_signed = false;  // by that key
};

// Whether the extraction was handed to the store's recorder, which notes it in the ledger.
struct CustodyFacts {
  bool noted = false;
  std::string why_not;
};

struct ExtractStatement {
  std::string expression;
  TimeRange range;
  Origin origin;
  int64_t made_ns = 0;  // wall time
  StoreSummary store;   // at the start
  std::vector<std::string> store_uuids;
  uint64_t packets = 0;
  uint64_t captured_bytes = 0;
  uint64_t flows = 0;                        // distinct, of the packets written
  bool flows_counted = true;                 // false: more than kFlowsCountedMax; flows and gaps are lower bounds
  std::optional<int64_t> first_ns, last_ns;  // smallest and largest time written
  AccountSpan account;                       // the sensor's losses while the range lasted
  Presence presence;
  uint64_t gap_bytes = 0;                   // in the flows written: acknowledged by the receiver, never seen
  std::optional<Interval> gaps_when;        // some time while these flows lasted
  bool needs_records = false;               // the expression is answered through records
  bool needs_alerts = false;                // among them through alerts
  std::vector<Shortfall> rules_not_loaded;  // rules that the expression asks for
  std::vector<Shortfall> flows_not_inspected;
  std::optional<BundleFacts> bundle;
  std::optional<CustodyFacts> custody;
  ReadStatistics read;          // while reading packets
  ReadStatistics read_records;  // damage and loss among the records that were asked for

  // Why something that was on the wire may be missing; empty: nothing is.
  std::vector<Shortfall> shortfalls() const;
  // The same in words.
  std::vector<std::string> reasons() const;
  // "complete", "incomplete" or "unknown".
  const char* completeness() const;
  bool complete() const { return shortfalls().empty(); }
  // The parts of the range against which nothing stands, the longest first; none where a shortfall has no time.
  std::vector<Interval> complete_spans() const;
};

inline constexpr size_t kFlowsCountedMax = 2'000'000;

// The statement as one JSON object.
void append_statement(std::string& out, const ExtractStatement& statement);
// In a few lines for people. The first word is "Complete", "Incomplete" or "Completeness".
std::string describe(const ExtractStatement& statement);
// The runs of the sensor that recorded the range: where, by whom, with which rules, by which clock; one line each, the
// newest few.
std::vector<std::string> describe_runs(const ExtractStatement& statement);
// "2026-11-20T10:00:00Z to the end".
std::string range_text(const TimeRange& range);

}  // namespace gatetape
