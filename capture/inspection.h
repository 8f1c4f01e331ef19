// One packet's way through reassembly and matching: the sink of the reassembler and of the HTTP parser, which feeds the
// matcher and turns what they say into records. Lives on the stack for one packet, or for the end of one flow, and ends
// with end(). The matcher looks at everything that the packet brought when it ends, so transactions that are over are
// kept until then.
#pragma once

#include <span>

#include "capture/pipeline.h"

namespace gatetape {

class Pipeline::Inspection {
 public:
  // Without a packet (kFlowEnd) `packet` and `decoded` say where and when what is delivered belongs.
  Inspection(Pipeline& pipeline, const Packet& packet, const DecodedPacket& decoded, Flow* flow, Direction direction,
             Matcher::Occasion occasion = Matcher::Occasion::kPacket);
  Inspection(const Inspection&) = delete;
  Inspection& operator=(const Inspection&) = delete;

  void segment() { pipeline_.tcp_.segment(flow_->state.tcp, facts_.direction, packet_, decoded_, *this); }
  // The flow is over: what waits in its stream is delivered, its last transactions end.
  void finish_flow();
  // Alerts, then the records of transactions that are over. Called once, last.
  void end();

  // --- from the reassembler ---
  void on_stream_bytes(Direction direction, std::span<const uint8_t> bytes, uint64_t offset);
  void on_stream_gap(Direction direction, uint64_t length);
  void on_stream_end(Direction direction);

  // --- from the HTTP parser ---
  void on_http_head(HttpTransaction& transaction, Direction direction);
  void on_http_body(HttpTransaction& transaction, Direction direction, std::span<const uint8_t> bytes);
  void on_http_gap(HttpTransaction& transaction, Direction direction, uint64_t length);
  void on_http_message_end(HttpTransaction& transaction, Direction direction);
  void on_http_transaction_end(HttpTransaction& transaction);

 private:
  void refresh();
  void parse_held();
  void end_transaction(Transaction& transaction);
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
  Matcher::FlowStatePointer no_flow_;  // the matcher's memory for packets without a flow: nothing that lasts
};

// Addresses and ports of a flow, from the client to the server.
Endpoints endpoints_of(const FlowKey& key, bool client_is_high);

}  // namespace gatetape
