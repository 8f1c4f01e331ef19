// State shared by the matcher's parts. matcher.cc has the order of a packet's looks and its alerts, matcher_packet.cc
// the rules for packets and streams, matcher_stream.cc the windows on streams, matcher_transaction.cc transactions.
#pragma once

#include <string>
#include <vector>

#include "rules/engine/body_verdicts.h"
#include "rules/engine/buffers.h"
#include "rules/engine/compile.h"
#include "rules/engine/content_inspection.h"
#include "rules/engine/flow_rule_state.h"
#include "rules/engine/matcher.h"
#include "rules/engine/rule_conditions.h"
#include "rules/engine/threshold.h"

namespace gatetape {

inline constexpr size_t kTransactionLooksMax = 64;  // sides of transactions that wait for one look
inline constexpr size_t kAlertsPerPacketMax = 4096;

struct Matcher::Impl {
  explicit Impl(std::shared_ptr<const RuleSet> rules_in);

  // The packet between begin_packet and end_packet. Null pointers: none.
  struct Current {
    const Packet* packet = nullptr;
    const DecodedPacket* decoded = nullptr;
    const FlowFacts* facts = nullptr;
    FlowStatePointer* flow = nullptr;
    bool established_before = false;  // as the packet found the flow
    AppProtocol protocol_before = AppProtocol::kUnknown;
    bool inspected = false;     // false: its flow is passed, and nothing is looked at
    bool packet_waits = false;  // its packet rules were not looked at yet
    bool passed = false;        // a pass rule matched: it has no alerts
  };
  // The bytes that the packet brought to one direction's stream.
  struct StreamLook {
    bool waits = false;  // there are some that were not looked at yet
    uint32_t begin = 0;  // where they begin in the stream's window
  };
  // The packet's contribution to one side of a transaction.
  struct TransactionLook {
    const Transaction* transaction = nullptr;
    Direction direction = Direction::kToServer;
    bool head = false;     // the head
    bool message = false;  // the message's end, or as much of its body as is inspected
    uint32_t first = 0;    // its part of head_candidates
    uint32_t count = 0;
  };
  struct StreamCandidate {
    uint32_t rule = 0;
    uint8_t side = 0;
    uint64_t literal_end = 0;  // stream offset; 0: the rule has no literal
  };
  // A rule that matched, and alerts unless the packet is passed.
  struct Found {
    uint32_t rule = 0;
    uint32_t order = 0;  // in which the packet's matches were found
    const Transaction* transaction = nullptr;
    Direction direction = Direction::kToServer;
  };
  // A packet or stream rule that matched at this packet: both looks may find the same.
  struct Reported {
    uint32_t rule = 0;
    bool position_in_stream = false;
    friend bool operator==(const Reported&, const Reported&) = default;
  };

  // --- the order of looks, matcher.cc ---
  // Looks at all that waits: the packet and streams, then transactions.
  void look_at_everything();
  // Sorts what was found and makes `hits` of it.
  void report();
  // Everything in the rule holds: flowbits, passing, and what becomes an alert.
  void matched(uint32_t rule, const Scene& scene, const Transaction* transaction);
  bool refers_to(const Transaction& transaction) const;
  void pass_flow();
  bool payload_holds(const CompiledRule& rule, std::span<const uint8_t> payload);
  FlowRuleState& state();

  // --- packets and streams, matcher_packet.cc ---
  void look_at_packet_and_streams();
  void find_packet_candidates(const Scene& scene);
  void look_at_packet(uint32_t rule, const Scene& scene);
  void look_at_stream(const StreamCandidate& candidate, const Scene& scene);
  // --- windows on streams, matcher_stream.cc ---
  void stream(Direction direction, std::span<const uint8_t> bytes, uint64_t offset);
  void find_stream_candidates(const RuleList& list, size_t side);
  // --- transactions, matcher_transaction.cc ---
  TransactionLook& look_for(const Transaction& transaction, Direction direction);
  TransactionSide* kept_side(const Transaction& transaction, Direction direction) const;
  void message_is_there(const Transaction& transaction, Direction direction, TransactionSide& side);
  void head(const Transaction& transaction, Direction direction);
  void find_head_candidates(const ZoneRules& zone);
  void look_at_transaction(const TransactionLook& look);
  void find_body_candidates(const RuleList& list, const TransactionSide& side);
  bool transaction_holds(const CompiledRule& rule, const Scene& scene, bool without_body);
  void wait_for_body(uint32_t rule, TransactionSide* side);

  // --- candidates: each rule at most once in a list ---
  void begin_candidates() { ++list_number; }
  bool mark(uint32_t rule) {
    if (marks[rule] == list_number) return false;
    marks[rule] = list_number;
    return true;
  }
  void add_candidate(uint32_t rule, std::vector<uint32_t>& to) {
    if (mark(rule)) to.push_back(rule);
  }
  void add_candidates(std::span<const uint32_t> some, std::vector<uint32_t>& to) {
    for (const uint32_t rule : some) add_candidate(rule, to);
  }

  std::shared_ptr<const RuleSet> rules;
  HyperscanScratch scratch;
  FlowStatePool pool;
  ThresholdTable thresholds;
  BodyVerdicts verdicts;
  ContentInspector inspector;
  TransactionBuffers buffers;
  std::string transform_text;

  Current current;
  StreamLook stream_looks[2];  // by Direction
  std::vector<TransactionLook> transaction_looks;
  std::vector<uint32_t> head_candidates;  // those of all transaction looks, one after the other
  std::vector<Found> found;
  std::vector<Reported> reported;
  uint64_t reported_ordinal = 0;  // ordinal of the packet that `reported` is about
  std::vector<RuleHit> hits;

  std::vector<uint32_t> candidates;  // those of the current look
  std::vector<StreamCandidate> stream_candidates;
  std::vector<uint32_t> literals;
  std::vector<uint64_t> marks;  // by rule: the last list that has it as a candidate
  uint64_t list_number = 0;

  uint64_t alerts_over_limit = 0;
  uint64_t packets_in_parts = 0;
};

}  // namespace gatetape
