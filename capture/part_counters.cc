#include "capture/part_counters.h"

namespace gatetape {

void add_counters(WorkerAccount& account, const StoreCounts& counts) {
  // `added` is the sum of the others.
  const auto& [added, stored, not_synced, stored_bytes, dropped_queue_full, dropped_failed, pending] = counts;
  account[Counter::kStored] += stored;
  account[Counter::kNotSynced] += not_synced;
  account[Counter::kStoredBytes] += stored_bytes;
  account[Counter::kDroppedStoreQueueFull] += dropped_queue_full;
  account[Counter::kDroppedStoreFailed] += dropped_failed;
  account[Counter::kInFlight] += pending;
}

void add_counters(WorkerAccount& account, const TcpReassembler& tcp) {
  const auto& [segments, out_of_order, retransmitted, overlapping, over_limit, gaps, gap_bytes,
               acknowledged_unseen_bytes, midstream, verdicts] = tcp.counters();
  account[Counter::kTcpSegments] += segments;
  account[Counter::kTcpOutOfOrder] += out_of_order;
  account[Counter::kTcpRetransmitted] += retransmitted;
  account[Counter::kTcpOverlapping] += overlapping;
  account[Counter::kTcpOverLimit] += over_limit;
  account[Counter::kTcpGaps] += gaps;
  account[Counter::kTcpGapBytes] += gap_bytes;
  account[Counter::kTcpAcknowledgedUnseen] += acknowledged_unseen_bytes;
  account[Counter::kTcpMidstream] += midstream;
  for (size_t i = 0; i < verdicts.size(); ++i) {
    account[static_cast<Counter>(static_cast<size_t>(Counter::kVerdictAccepted) + i)] += verdicts[i];
  }
  account[Counter::kReorderBytesHeld] += tcp.pool().bytes_in_use();
  account[Counter::kReorderBuffersHeld] += tcp.pool().buffers_in_use();
}
// Their rows stand in the order of SegmentVerdict.
static_assert(static_cast<size_t>(Counter::kVerdictBeyondWindowBelieved) -
                  static_cast<size_t>(Counter::kVerdictAccepted) + 1 ==
              kSegmentVerdictCount);

void add_counters(WorkerAccount& account, const MatcherCounters& counters) {
  const auto& [windows_taken_away, bodies_over_budget, transactions_over_limit, flowbits_over_limit, pending_over_limit,
               alerts_over_limit, early_looks, inspections_cut, thresholds_forgotten, body_verdicts_found] = counters;
  account[Counter::kMatchWindowsTakenAway] += windows_taken_away;
  account[Counter::kMatchBodiesOverBudget] += bodies_over_budget;
  account[Counter::kMatchTransactionsOverLimit] += transactions_over_limit;
  account[Counter::kMatchFlowbitsOverLimit] += flowbits_over_limit;
  account[Counter::kMatchPendingOverLimit] += pending_over_limit;
  account[Counter::kMatchAlertsOverLimit] += alerts_over_limit;
  account[Counter::kMatchEarlyLooks] += early_looks;
  account[Counter::kMatchInspectionsCut] += inspections_cut;
  account[Counter::kMatchThresholdsForgotten] += thresholds_forgotten;
  account[Counter::kMatchBodyVerdictsFound] += body_verdicts_found;
}

void add_counters(WorkerAccount& account, const FlowTableCounters& counters) {
  const auto& [created, evicted, expired] = counters;
  account[Counter::kFlowsCreated] += created;
  account[Counter::kFlowsEvicted] += evicted;
  account[Counter::kFlowsExpired] += expired;
}

}  // namespace gatetape
