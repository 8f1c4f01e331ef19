#include <algorithm>

#include "rules/engine/matcher_impl.h"

namespace gatetape {

// The look that this side of the transaction waits for; a new one if there is none. If too many wait, they are looked
// at first.
Matcher::Impl::TransactionLook& Matcher::Impl::look_for(const Transaction& transaction, Direction direction) {
  for (auto look = transaction_looks.rbegin(); look != transaction_looks.rend(); ++look) {
    if (look->transaction == &transaction && look->direction == direction) return *look;
  }
  if (transaction_looks.size() == kTransactionLooksMax) {
    ++packets_in_parts;
    look_at_everything();
  }
  TransactionLook& look = transaction_looks.emplace_back();
  look.transaction = &transaction;
  look.direction = direction;
  return look;
}

// Returns the state kept for this side of the transaction, or null if there is none.
TransactionSide* Matcher::Impl::kept_side(const Transaction& transaction, Direction direction) const {
  if (!current.inspected || *current.flow == nullptr) return nullptr;
  TransactionState* const open = (*current.flow)->find_transaction(transaction.id);
  return open == nullptr ? nullptr : &open->sides[static_cast<size_t>(index(direction))];
}

// As much of the message is there as its rules will see.
void Matcher::Impl::message_is_there(const Transaction& transaction, Direction direction, TransactionSide& side) {
  side.retain = false;
  look_for(transaction, direction).message = true;
}

// Scans the head while it is in the cache. Whether its rules hold is seen when the packet ends.
void Matcher::Impl::head(const Transaction& transaction, Direction direction) {
  const Scene scene(*current.decoded, *current.facts, *current.flow, direction);
  const ZoneRules& zone = rules->zone_rules(scene.source, scene.destination, direction);
  if (!zone.http()) return;
  TransactionLook& look = look_for(transaction, direction);
  look.head = true;
  look.first = static_cast<uint32_t>(head_candidates.size());
  buffers.begin(transaction, direction, {});
  find_head_candidates(zone);
  look.count = static_cast<uint32_t>(head_candidates.size()) - look.first;

  const auto d = static_cast<size_t>(index(direction));
  const auto waits = [&](uint32_t rule) { return (rules->rule(rule).moments[d] & kOnBody) != 0; };
  if (zone.body.empty() && std::none_of(head_candidates.begin() + look.first, head_candidates.end(), waits)) return;
  TransactionState* const open = state().open_transaction(transaction.id);
  if (open != nullptr) open->sides[d].retain = true;
}

void Matcher::Impl::find_head_candidates(const ZoneRules& zone) {
  begin_candidates();
  for (const Buffer buffer : zone.head_buffers) {
    const Prefilter& prefilter = *zone.head[static_cast<size_t>(buffer)];
    const auto scan = [&](std::span<const uint8_t> bytes) {
      prefilter.scan(bytes, scratch.get(),
                     [&](uint32_t literal, uint64_t) { add_candidates(prefilter.rules_of(literal), head_candidates); });
      return false;
    };
    if (buffer_info(buffer).dotted) {
      scan(buffers.dotted(buffer));
    } else {
      buffers.any(buffer, scan);
    }
  }
  add_candidates(zone.head_always, head_candidates);
}

void Matcher::Impl::find_body_candidates(const RuleList& list, const TransactionSide& side) {
  add_candidates(side.pending, candidates);
  add_candidates(list.always, candidates);
  const std::span<const uint8_t> body = side.body;
  if (list.prefilter == nullptr || body.empty()) return;
  const Prefilter& prefilter = *list.prefilter;
  const bool remembered = body.size() >= BodyVerdicts::kBodyBytesMin;
  BodyVerdicts::Key key;
  if (remembered) {
    key = verdicts.key_of(body, prefilter);
    if (const BodyVerdicts::Hits* known = verdicts.find(key)) {
      for (const uint32_t literal : known->span()) add_candidates(prefilter.rules_of(literal), candidates);
      return;
    }
  }
  literals.clear();
  prefilter.scan(body, scratch.get(), [&](uint32_t literal, uint64_t) { literals.push_back(literal); });
  for (const uint32_t literal : literals) add_candidates(prefilter.rules_of(literal), candidates);
  if (remembered) verdicts.remember(key, literals);
}

// All groups of the rule hold in this transaction. `without_body`: as far as can be said before the body is there.
bool Matcher::Impl::transaction_holds(const CompiledRule& rule, const Scene& scene, bool without_body) {
  if (!conditions_hold(rule, scene)) return false;
  inspector.begin_rule();
  for (const CompiledGroup& group : rule.groups) {
    if (without_body && (is_body(group.buffer) || group.buffer == Buffer::kPayload)) continue;
    const bool holds = buffers.any(group.buffer, [&](std::span<const uint8_t> bytes) {
      return inspector.inspect(group, transformed(bytes, *group.transforms, transform_text));
    });
    if (!holds) return false;
  }
  return true;
}

void Matcher::Impl::wait_for_body(uint32_t rule, TransactionSide* side) {
  if (side == nullptr || side->pending.size() == kPendingRulesMax) {
    ++pool.counters.pending_over_limit;
  } else {
    side->pending.push_back(rule);
  }
}

// Head and body in one go when the packet brought both. A rule that needs the body waits for it when only the head is
// there and all that can be said before the body holds.
void Matcher::Impl::look_at_transaction(const TransactionLook& look) {
  const Scene scene(*current.decoded, *current.facts, *current.flow, look.direction);
  const ZoneRules& zone = rules->zone_rules(scene.source, scene.destination, look.direction);
  const auto d = static_cast<size_t>(index(look.direction));
  TransactionSide* const side = kept_side(*look.transaction, look.direction);
  const bool whole = look.message && side != nullptr && !side->done;

  candidates.clear();
  begin_candidates();
  add_candidates(std::span(head_candidates).subspan(look.first, look.count), candidates);
  if (whole) {
    find_body_candidates(zone.body, *side);
    side->pending.clear();
  }
  std::sort(candidates.begin(), candidates.end());
  buffers.begin(*look.transaction, look.direction,
                whole ? std::span<const uint8_t>(side->body) : std::span<const uint8_t>());
  for (size_t i = 0; i < candidates.size() && current.inspected; ++i) {
    const uint32_t rule = candidates[i];
    const bool waits = !whole && (rules->rule(rule).moments[d] & kOnBody) != 0;
    if (!transaction_holds(rules->rule(rule), scene, waits)) continue;
    if (waits) {
      wait_for_body(rule, side);
    } else {
      matched(rule, scene, look.transaction);
    }
  }
  if (side == nullptr) return;
  if (whole) side->done = true;
  side->retain = !side->done && (!zone.body.empty() || !side->pending.empty());
  if (!side->retain) pool.release_body(*side);
}

}  // namespace gatetape
