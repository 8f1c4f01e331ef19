// Matches one worker's traffic against a compiled rule set, a packet at a time.
//
// The pipeline calls begin_packet(), hands over what the packet brought (bytes of streams, heads, bodies and ends of
// transactions), and calls end_packet(), which looks at all of it in the order in which Suricata's detection runs:
// first the rules for the packet and for streams together, in rule order, then each transaction's rules in rule order,
// in the order in which the transactions began to be looked at. Flowbits that a rule sets are there for whatever is
// looked at after it. end_packet() returns the packet's alerts, in rule order whatever they matched; when a pass rule
// has matched, it returns none.
//
// Rule order is: pass, drop, reject, alert; within an action rules that set flowbits, then those that set and ask, then
// those that ask, then the others; then by priority, the lowest number first, and by sid.
//
// A Matcher is used by one thread. The RuleSet is immutable and shared. What matching remembers of a flow lies in a
// FlowRuleState, which the flow owns.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "packet/decode.h"
#include "packet/flow_key.h"
#include "packet/packet.h"
#include "packet/records.h"
#include "packet/transaction.h"

namespace gatetape {

class FlowRuleState;
class RuleSet;  // rules/engine/compile.h
struct Rule;    // rules/language/rule.h

// One alert. `transaction` is null when the match was not in a transaction.
struct RuleHit {
  const Rule* rule = nullptr;
  const Transaction* transaction = nullptr;
  Direction direction = Direction::kToServer;  // direction of the bytes that matched
};

// Facts that the matcher needs about a flow. The pipeline keeps them up to date between begin_packet and end_packet.
struct FlowFacts {
  uint64_t flow_id = 0;
  bool has_flow = false;
  bool established = false;                    // TCP: handshake complete (or midstream accepted); UDP: both sides seen
  Direction direction = Direction::kToServer;  // direction of the packet
  AppProtocol app_protocol = AppProtocol::kUnknown;
  uint64_t stream_bytes[2] = {0, 0};  // by Direction: reassembled so far
};

// The counters of a matcher since it was made. Each field is a total.
struct MatcherCounters {
  uint64_t windows_taken_away = 0;          // streams whose last bytes were forgotten: too many streams at once
  uint64_t bodies_over_budget = 0;          // bodies inspected only as far as memory allowed
  uint64_t transactions_over_limit = 0;     // transactions inspected without their bodies: too many open in their flow
  uint64_t flowbits_over_limit = 0;         // flowbits not set: too many set in their flow
  uint64_t pending_over_limit = 0;          // rules that could not wait for the rest of a stream or body
  uint64_t alerts_over_limit = 0;           // alerts not reported: too many for one packet
  uint64_t packets_looked_at_in_parts = 0;  // packets that brought more than is held for one look
  uint64_t inspections_cut = 0;             // buffers on which a rule took too many steps; it then does not match
  uint64_t thresholds_forgotten = 0;        // counts of thresholds that had to make room for others
  uint64_t body_verdicts_found = 0;         // bodies that were not scanned, since the same body was scanned before
};

class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const RuleSet> rules);
  ~Matcher();
  Matcher(Matcher&&) noexcept;

  // A flow's state; null while nothing has to be remembered of the flow. The flow frees it, before the matcher.
  struct FreeFlowState {
    void operator()(FlowRuleState* state) const;
  };
  using FlowStatePointer = std::unique_ptr<FlowRuleState, FreeFlowState>;

  // kFlowEnd: a flow is over and its streams and transactions end; there is no packet for packet rules to look at.
  enum class Occasion : uint8_t { kPacket, kFlowEnd };

  // Begins a packet. All four references must live until end_packet(). Packet rules see `established` and
  // `app_protocol` as they are now; stream and transaction rules see `facts` as they are when they are looked at.
  void begin_packet(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts, FlowStatePointer& flow,
                    Occasion occasion = Occasion::kPacket);
  // Looks at all that is not looked at yet, and ends the packet. The span and the transactions in it are valid until
  // the next call.
  std::span<const RuleHit> end_packet();

  // --- Between begin_packet and end_packet: what the packet brought. ---

  // Reassembled bytes of one direction, in order, each byte once. `offset` counts from the stream's first byte; a jump
  // is a gap. The bytes are copied, so they may die when the call returns.
  void stream(Direction direction, std::span<const uint8_t> bytes, uint64_t offset);
  // The head of one side of a transaction is there. The object and its heads must stay as they are until
  // transaction_end(). They are scanned at once and looked at later.
  void transaction_head(const Transaction& transaction, Direction direction);
  // The next bytes of a body, without transfer and content codings. The bytes are copied as far as they are wanted.
  void transaction_body(const Transaction& transaction, Direction direction, std::span<const uint8_t> bytes);
  // Whether a rule still waits for more of this body: bytes that are not wanted need not be decoded or handed over.
  bool wants_body(const Transaction& transaction, Direction direction) const;
  // One side's message is complete, body included.
  void transaction_message_end(const Transaction& transaction, Direction direction);

  // --- At any time. ---

  // The transaction is over, complete or not: what `flow` holds of it is freed, and the object may be reused. It should
  // come after end_packet() of the last packet that brought something of it. When it comes before, everything that the
  // packet has brought so far is looked at now, and the alerts are returned now rather than by end_packet().
  std::span<const RuleHit> transaction_end(FlowStatePointer& flow, const Transaction& transaction);

  MatcherCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatetape
