// What the parts of the matcher share: matcher.cc has what all rules have in common and packets, matcher_stream.cc
// streams, matcher_http.cc transactions.
#pragma once

#include <string>
#include <vector>

#include "rules/engine/body_verdicts.h"
#include "rules/engine/buffers.h"
#include "rules/engine/compile.h"
#include "rules/engine/content_inspection.h"
#include "rules/engine/flow_rule_state.h"
#include "rules/engine/matcher.h"
#include "rules/engine/threshold.h"

namespace gatetape {

// One look: the packet at which it happens, and the addresses of who sent what is looked at.
struct Matcher::Scene {
  Scene(const Packet& packet_in, const DecodedPacket& decoded_in, const FlowFacts& facts_in, FlowStatePointer& flow_in,
        Direction direction_in);

  const Packet& packet;
  const DecodedPacket& decoded;
  const FlowFacts& facts;
  FlowStatePointer& flow;
  Direction direction;
  const IpAddress& source;
  const IpAddress& destination;
  uint16_t source_port;
  uint16_t destination_port;
  bool is_stream = false;
};

struct Matcher::Impl {
  explicit Impl(std::shared_ptr<const RuleSet> rules_in);

  // --- candidates: each rule at most once per look ---
  void begin_look() {
    hits.clear();
    candidates.clear();
    ++look;
  }
  bool mark(uint32_t rule) {
    if (marks[rule] == look) return false;
    marks[rule] = look;
    return true;
  }
  void add_candidate(uint32_t rule) {
    if (mark(rule)) candidates.push_back(rule);
  }
  void add_candidates(std::span<const uint32_t> some) {
    for (const uint32_t rule : some) add_candidate(rule);
  }
  // In the order in which rules are to be looked at.
  void sort_candidates();

  // --- conditions, matcher.cc ---
  bool conditions_hold(const CompiledRule& rule, const Scene& scene) const;
  bool payload_holds(const CompiledRule& rule, std::span<const uint8_t> payload);
  // Everything holds: side effects, thresholds, and the hit. False: a pass rule, look no further.
  bool matched(uint32_t rule, Scene& scene, const HttpTransaction* transaction);
  bool report(uint32_t rule, const Scene& scene, const HttpTransaction* transaction);
  FlowRuleState& state(Scene& scene);
  bool passed(const Scene& scene) const { return scene.flow != nullptr && scene.flow->passed; }

  // --- packets, matcher.cc ---
  void packet(Scene& scene);
  // --- streams, matcher_stream.cc ---
  void stream(Scene& scene, std::span<const uint8_t> bytes, uint64_t offset);
  void stream_piece(Scene& scene, const RuleList& list, StreamTail& side, std::span<const uint8_t> piece);
  void find_stream_candidates(const RuleList& list, StreamTail& side, size_t old_length);
  // --- transactions, matcher_http.cc ---
  void head(Scene& scene, const HttpTransaction& transaction);
  void body(Scene& scene, const HttpTransaction& transaction, std::span<const uint8_t> bytes);
  void message_end(Scene& scene, const HttpTransaction& transaction);
  void inspect_body(Scene& scene, const HttpTransaction& transaction, TransactionSide& side);
  void find_head_candidates(const ZoneRules& zone);
  void find_body_candidates(const Prefilter& prefilter, std::span<const uint8_t> body);
  bool transaction_holds(const CompiledRule& rule, const Scene& scene, bool without_body);

  std::shared_ptr<const RuleSet> rules;
  HyperscanScratch scratch;
  FlowStatePool pool;
  ThresholdTable thresholds;
  BodyVerdicts verdicts;
  ContentInspector inspector;
  HttpBuffers buffers;
  std::string transform_text;

  std::vector<RuleHit> hits;
  std::vector<uint32_t> candidates;
  std::vector<PendingStreamRule> stream_candidates;
  std::vector<uint32_t> literals;
  std::vector<uint64_t> marks;  // by rule: the last look that has it as a candidate
  uint64_t look = 0;
  // Packet and stream rules reported at this packet already: both looks may find the same.
  struct Reported {
    uint32_t rule = 0;
    bool position_in_stream = false;
    friend bool operator==(const Reported&, const Reported&) = default;
  };
  std::vector<Reported> reported;
  uint64_t reported_ordinal = UINT64_MAX;
};

}  // namespace gatetape
