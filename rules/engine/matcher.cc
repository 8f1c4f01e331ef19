#include "rules/engine/matcher.h"

#include <algorithm>

#include "common/check.h"
#include "rules/engine/matcher_impl.h"

namespace gatetape {

Matcher::Impl::Impl(std::shared_ptr<const RuleSet> rules_in) : rules(std::move(rules_in)), marks(rules->size(), 0) {
  hs_scratch_t* grown = nullptr;
  for (const PrefilterInfo& info : rules->prefilters()) {
    GT_CHECK(hs_alloc_scratch(info.prefilter->database(), &grown) == HS_SUCCESS);
  }
  scratch.reset(grown);
}

FlowRuleState& Matcher::Impl::state() {
  if (*current.flow == nullptr) current.flow->reset(pool.acquire());
  return **current.flow;
}

bool Matcher::Impl::payload_holds(const CompiledRule& rule, std::span<const uint8_t> payload) {
  inspector.begin_rule();
  for (const CompiledGroup& group : rule.groups) {
    if (!inspector.inspect(group, transformed(payload, *group.transforms, transform_text))) return false;
  }
  return true;
}

// The order is that of Suricata's DetectRun.
void Matcher::Impl::look_at_everything() {
  look_at_packet_and_streams();
  for (size_t i = 0; i < transaction_looks.size() && current.inspected; ++i) look_at_transaction(transaction_looks[i]);
  transaction_looks.clear();
  head_candidates.clear();
}

// The flow is not looked at any more, from here on.
void Matcher::Impl::pass_flow() {
  state().passed = true;
  current.inspected = current.packet_waits = false;
  stream_looks[0].waits = stream_looks[1].waits = false;
}

void Matcher::Impl::matched(uint32_t rule, const Scene& scene, const Transaction* transaction) {
  const CompiledRule& compiled = rules->rule(rule);
  if (!compiled.flowbit_changes.empty()) change_flowbits(compiled, state());
  if (compiled.rule->action == RuleAction::kPass) {
    current.passed = true;
    // A pass on a stream or a transaction is for the flow. One on a packet is for that packet, unless nothing in the
    // rule is about the packet alone.
    const bool on_flow = compiled.passes_flow || scene.is_stream || transaction != nullptr;
    if (on_flow && scene.facts.has_flow) pass_flow();
    return;
  }
  if (compiled.rule->noalert || current.passed) return;
  if (transaction == nullptr) {
    // A rule that counts from a start may hold for the packet and for the stream, and Suricata reports both.
    const Reported now{rule, compiled.positional && scene.is_stream};
    if (std::find(reported.begin(), reported.end(), now) != reported.end()) return;
    reported.push_back(now);
  }
  if (found.size() == kAlertsPerPacketMax) {
    ++alerts_over_limit;
    return;
  }
  found.push_back({rule, static_cast<uint32_t>(found.size()), transaction, scene.direction});
}

// As Suricata's PacketAlertFinalize does: in rule order, a rule's later transactions first; thresholds count what is
// left when a pass rule has removed what it removes.
void Matcher::Impl::report() {
  hits.clear();
  if (current.passed) found.clear();
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    if (a.rule != b.rule) return a.rule < b.rule;
    if (a.transaction != b.transaction && a.transaction != nullptr && b.transaction != nullptr) {
      return a.transaction->id > b.transaction->id;
    }
    return a.order < b.order;
  });
  for (const Found& match : found) {
    const Rule& rule = *rules->rule(match.rule).rule;
    if (rule.threshold.kind != ThresholdKind::kNone) {
      const bool as_packet = match.direction == current.facts->direction;
      ThresholdQuestion question;
      question.threshold = &rule.threshold;
      question.rule = match.rule;
      question.flow_id = current.facts->flow_id;
      question.source = as_packet ? current.decoded->source : current.decoded->destination;
      question.destination = as_packet ? current.decoded->destination : current.decoded->source;
      question.timestamp_ns = current.packet->timestamp_ns;
      if (!thresholds.count_and_ask(question)) continue;
    }
    hits.push_back({&rule, match.transaction, match.direction});
  }
  found.clear();
}

bool Matcher::Impl::refers_to(const Transaction& transaction) const {
  const auto is_it = [&](const auto& some) { return some.transaction == &transaction; };
  return std::any_of(transaction_looks.begin(), transaction_looks.end(), is_it) ||
         std::any_of(found.begin(), found.end(), is_it);
}

Matcher::Matcher(std::shared_ptr<const RuleSet> rules) : impl_(std::make_unique<Impl>(std::move(rules))) {}
Matcher::~Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;

void Matcher::FreeFlowState::operator()(FlowRuleState* state) const {
  state->pool().release(state);
}

void Matcher::begin_packet(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                           FlowStatePointer& flow, Occasion occasion) {
  GT_CHECK(impl_->current.packet == nullptr);
  Impl::Current& current = impl_->current;
  current.packet = &packet;
  current.decoded = &decoded;
  current.facts = &facts;
  current.flow = &flow;
  current.established_before = facts.established;
  current.protocol_before = facts.app_protocol;
  current.inspected = flow == nullptr || !flow->passed;
  current.packet_waits = current.inspected && occasion == Occasion::kPacket;
  current.passed = false;
  // A flow's end belongs to its last packet: what that has reported is not reported again.
  if (occasion == Occasion::kPacket || impl_->reported_ordinal != packet.ordinal) impl_->reported.clear();
  impl_->reported_ordinal = packet.ordinal;
}

std::span<const RuleHit> Matcher::end_packet() {
  impl_->look_at_everything();
  impl_->report();
  impl_->current.packet = nullptr;
  return impl_->hits;
}

void Matcher::stream(Direction direction, std::span<const uint8_t> bytes, uint64_t offset) {
  if (impl_->current.inspected) impl_->stream(direction, bytes, offset);
}

void Matcher::transaction_head(const Transaction& transaction, Direction direction) {
  if (impl_->current.inspected) impl_->head(transaction, direction);
}

void Matcher::transaction_body(const Transaction& transaction, Direction direction, std::span<const uint8_t> bytes) {
  TransactionSide* const side = impl_->kept_side(transaction, direction);
  if (side == nullptr || !side->retain) return;
  if (!impl_->pool.append_body(*side, bytes)) impl_->message_is_there(transaction, direction, *side);
}

bool Matcher::wants_body(const Transaction& transaction, Direction direction) const {
  const TransactionSide* const side = impl_->kept_side(transaction, direction);
  return side != nullptr && side->retain;
}

void Matcher::transaction_message_end(const Transaction& transaction, Direction direction) {
  TransactionSide* const side = impl_->kept_side(transaction, direction);
  if (side != nullptr && side->retain) impl_->message_is_there(transaction, direction, *side);
}

std::span<const RuleHit> Matcher::transaction_end(FlowStatePointer& flow, const Transaction& transaction) {
  impl_->hits.clear();
  if (impl_->current.packet != nullptr && impl_->refers_to(transaction)) {
    ++impl_->packets_in_parts;
    impl_->look_at_everything();
    impl_->report();
  }
  if (flow != nullptr) flow->close_transaction(transaction.id);
  return impl_->hits;
}

MatcherCounters Matcher::counters() const {
  const FlowStateCounters& state = impl_->pool.counters;
  MatcherCounters counters;
  counters.windows_taken_away = state.windows_taken_away;
  counters.bodies_over_budget = state.bodies_over_budget;
  counters.transactions_over_limit = state.transactions_over_limit;
  counters.flowbits_over_limit = state.flowbits_over_limit;
  counters.pending_over_limit = state.pending_over_limit;
  counters.alerts_over_limit = impl_->alerts_over_limit;
  counters.packets_looked_at_in_parts = impl_->packets_in_parts;
  counters.inspections_cut = impl_->inspector.limits_hit();
  counters.thresholds_forgotten = impl_->thresholds.evicted();
  counters.body_verdicts_found = impl_->verdicts.found();
  return counters;
}

}  // namespace gatetape
