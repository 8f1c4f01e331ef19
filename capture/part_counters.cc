#include "capture/part_counters.h"

namespace gatetape {

void add_counters(WorkerAccount& account, const StoreCounts& counts) {
  // `added` is the sum of the others.
  const auto& [added, stored, stored_bytes, dropped_queue_full, dropped_failed, pending] = counts;
  account[Counter::kStored] += stored;
  account[Counter::kStoredBytes] += stored_bytes;
  account[Counter::kDroppedStoreQueueFull] += dropped_queue_full;
  account[Counter::kDroppedStoreFailed] += dropped_failed;
  account[Counter::kInFlight] += pending;
}

void add_counters(WorkerAccount& account, const TcpReassembler& tcp) {
  const auto& [segments, out_of_order, retransmitted, overlapping, out_of_window, resets_ignored, over_limit, gaps,
               gap_bytes, acknowledged_unseen_bytes, midstream] = tcp.counters();
  account[Counter::kTcpSegments] += segments;
  account[Counter::kTcpOutOfOrder] += out_of_order;
  account[Counter::kTcpRetransmitted] += retransmitted;
  account[Counter::kTcpOverlapping] += overlapping;
  account[Counter::kTcpOutOfWindow] += out_of_window;
  account[Counter::kTcpResetsIgnored] += resets_ignored;
  account[Counter::kTcpOverLimit] += over_limit;
  account[Counter::kTcpGaps] += gaps;
  account[Counter::kTcpGapBytes] += gap_bytes;
  account[Counter::kTcpAcknowledgedUnseen] += acknowledged_unseen_bytes;
  account[Counter::kTcpMidstream] += midstream;
  account[Counter::kReorderBytesHeld] += tcp.pool().bytes_in_use();
  account[Counter::kReorderBuffersHeld] += tcp.pool().buffers_in_use();
}

void add_counters(WorkerAccount& account, const Http1Parser& parser) {
  // Anomalies are counted by the pipeline when a transaction ends, whatever its protocol.
  const auto& [transactions, completed, interim_responses, heads_too_large, over_outstanding, over_memory, places_lost,
               bytes_skipped, anomalous] = parser.counters();
  account[Counter::kHttpBegun] += transactions;
  account[Counter::kHttpComplete] += completed;
  account[Counter::kHttpInterim] += interim_responses;
  account[Counter::kHttpHeadsTooLarge] += heads_too_large;
  account[Counter::kHttpOverOutstanding] += over_outstanding;
  account[Counter::kHttpOverMemory] += over_memory;
  account[Counter::kHttpPlacesLost] += places_lost;
  account[Counter::kHttpBytesSkipped] += bytes_skipped;
}

void add_counters(WorkerAccount& account, const HttpPool& pool) {
  account[Counter::kHttpHeld] += pool.in_use();
  account[Counter::kHttpHeadBytesHeld] += pool.head_bytes();
}

void add_counters(WorkerAccount& account, const BodyDecoders& decoders) {
  const auto& [bodies, bytes_in, bytes_out, malformed, bombs] = decoders.counters();
  account[Counter::kBodiesDecoded] += bodies;
  account[Counter::kBodyBytesCoded] += bytes_in;
  account[Counter::kBodyBytesDecoded] += bytes_out;
  account[Counter::kBodiesMalformed] += malformed;
  account[Counter::kBodiesBombs] += bombs;
  account[Counter::kBodiesRefused] += decoders.refused();
}

void add_counters(WorkerAccount& account, const FlowTableCounters& counters) {
  const auto& [created, evicted, expired] = counters;
  account[Counter::kFlowsCreated] += created;
  account[Counter::kFlowsEvicted] += evicted;
  account[Counter::kFlowsExpired] += expired;
}

}  // namespace gatetape
