// Matching one worker's traffic against a compiled rule set. A Matcher owns one Hyperscan scratch and is used by one
// thread; the RuleSet is immutable and shared. Per-flow state lies in FlowRuleState, owned by the flow.
//
// Every inspect_* returns the hits it completed: rules whose every condition is now confirmed. A rule is reported once
// per packet, and once per transaction if it looks at HTTP, once per stream match otherwise, as Suricata does. The span
// lives until the next call.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "packet/decode.h"
#include "packet/flow_key.h"
#include "packet/http.h"
#include "packet/packet.h"
#include "packet/records.h"

namespace gatetape {

class RuleSet;  // rules/engine/rule_set.h
struct Rule;    // rules/language/rule.h

struct RuleHit {
  const Rule* rule = nullptr;
  const HttpTransaction* transaction = nullptr;  // null: the match was not in a transaction
  Direction direction = Direction::kToServer;
};

// What the matcher must know of the flow at each call. Filled once per packet by the pipeline.
struct FlowFacts {
  uint64_t flow_id = 0;
  bool has_flow = false;
  bool established = false;  // TCP: handshake complete (or midstream accepted); UDP: both sides seen
  Direction direction = Direction::kToServer;
  AppProtocol app_protocol = AppProtocol::kUnknown;
  uint64_t stream_bytes[2] = {0, 0};  // by Direction: reassembled so far
};

class FlowRuleState;

class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const RuleSet> rules);
  ~Matcher();
  Matcher(Matcher&&) noexcept;

  // A flow's state; null means nothing in the rule set needs one yet. Freed with the flow, before the matcher.
  struct FreeFlowState {
    void operator()(FlowRuleState* state) const;
  };
  using FlowStatePointer = std::unique_ptr<FlowRuleState, FreeFlowState>;

  // Packet rules: header conditions, payload of this packet (`tcp-pkt`, udp, icmp, ip, and tcp rules that Suricata
  // inspects per packet).
  std::span<const RuleHit> inspect_packet(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                                          FlowStatePointer& flow);
  // Reassembled bytes of one direction, in order, each byte once. `offset` counts from the stream's first byte.
  std::span<const RuleHit> inspect_stream(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                                          FlowStatePointer& flow, Direction direction, std::span<const uint8_t> bytes,
                                          uint64_t offset);
  // HTTP, in the order things arrive. `transaction` is the same object from its first call to http_end.
  std::span<const RuleHit> http_head(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                                     FlowStatePointer& flow, const HttpTransaction& transaction, Direction direction);
  std::span<const RuleHit> http_body(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                                     FlowStatePointer& flow, const HttpTransaction& transaction, Direction direction,
                                     std::span<const uint8_t> bytes);
  // Whether anybody still waits for more of this body: what is not wanted need not be decoded or handed over.
  bool wants_body(const FlowStatePointer& flow, const HttpTransaction& transaction, Direction direction) const;
  // One direction's message is complete (body included).
  std::span<const RuleHit> http_message_end(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                                            FlowStatePointer& flow, const HttpTransaction& transaction,
                                            Direction direction);
  // The transaction is over, complete or not; its state is freed.
  void http_end(FlowStatePointer& flow, const HttpTransaction& transaction);

 private:
  struct Scene;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatetape
