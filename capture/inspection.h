// One packet's way through reassembly and matching: the sink of the reassembler and of the protocols, which feeds the
// matcher and appends records. Lives on the stack for one packet, or for the end of one flow, and ends
// with end(). The matcher looks at everything that the packet brought when it ends, so transactions that are over are
// kept until then.
#pragma once

#include <span>

#include "capture/pipeline.h"

namespace gatetape {

class Pipeline::Inspection {
 public:
  // When a flow ends (kFlowEnd), `packet` and `decoded` only say when and where the bytes still delivered belong.
  Inspection(Pipeline& pipeline, const Packet& packet, const DecodedPacket& decoded, Flow* flow, Direction direction,
             Matcher::Occasion occasion = Matcher::Occasion::kPacket);
  Inspection(const Inspection&) = delete;
  Inspection& operator=(const Inspection&) = delete;

  void segment() { pipeline_.tcp_.segment(flow_->state.tcp, facts_.direction, packet_, decoded_, *this); }
  void datagram();
  // The flow is over: the bytes that wait in its streams are delivered, its last transactions end.
  void finish_flow();
  // Alerts, then the records of transactions that are over. Called once, last.
  void end();

  // --- from the reassembler ---
  void on_stream_bytes(Direction direction, std::span<const uint8_t> bytes, uint64_t offset);
  void on_stream_gap(Direction direction, uint64_t length);
  void on_stream_end(Direction direction);

  // --- from the protocols ---
  void on_transaction_head(Transaction& transaction, Direction direction);
  bool wants_body(const Transaction& transaction, Direction direction) const;
  void on_transaction_body(Transaction& transaction, Direction direction, std::span<const uint8_t> bytes);
  void on_message_end(Transaction& transaction, Direction direction);
  void on_transaction_end(Transaction& transaction);

 private:
  void refresh();
  void record(const Transaction& transaction);
  void end_kept_transactions();
  void report(std::span<const RuleHit> hits);
  void report(const RuleHit& hit);
  Endpoints client_to_server() const;
  Endpoints endpoints_of(const RuleHit& hit) const;

  Pipeline& pipeline_;
  const Packet& packet_;
  const DecodedPacket& decoded_;
  Flow* const flow_;  // null: not IP, or nothing to follow
  FlowFacts facts_;
  Matcher::FlowStatePointer no_flow_;  // stands in for a flow's state when the packet has no flow
};

// Addresses and ports of a flow, from the client to the server.
Endpoints endpoints_of(const FlowKey& key, bool client_is_high);

}  // namespace gatetape
