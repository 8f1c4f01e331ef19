#include <algorithm>

#include "rules/engine/matcher_impl.h"

namespace gatetape {

void Matcher::Impl::find_head_candidates(const ZoneRules& zone) {
  for (const Buffer buffer : zone.head_buffers) {
    const Prefilter& prefilter = *zone.head[static_cast<size_t>(buffer)];
    const auto scan = [&](std::span<const uint8_t> bytes) {
      prefilter.scan(bytes, scratch.get(),
                     [&](uint32_t literal, uint64_t) { add_candidates(prefilter.rules_of(literal)); });
      return false;
    };
    if (buffer_info(buffer).dotted) {
      scan(buffers.dotted_host());
    } else {
      buffers.any(buffer, scan);
    }
  }
  add_candidates(zone.head_always);
  sort_candidates();
}

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

void Matcher::Impl::head(Scene& scene, const HttpTransaction& transaction) {
  const ZoneRules& zone = rules->zone_rules(scene.source, scene.destination, scene.direction);
  if (!zone.http()) return;
  const auto d = static_cast<size_t>(index(scene.direction));
  buffers.begin(transaction, scene.direction, {});
  find_head_candidates(zone);

  TransactionState* waiting = nullptr;
  if (!zone.body.empty()) {
    waiting = state(scene).open_transaction(transaction.id);
    if (waiting != nullptr) waiting->sides[d].retain = true;
  }
  for (const uint32_t rule : candidates) {
    const CompiledRule& compiled = rules->rule(rule);
    const bool waits = (compiled.moments[d] & kOnBody) != 0;
    if (!transaction_holds(compiled, scene, waits)) continue;
    if (!waits) {
      if (!matched(rule, scene, &transaction)) return;
      continue;
    }
    if (waiting == nullptr) waiting = state(scene).open_transaction(transaction.id);
    if (waiting == nullptr || waiting->sides[d].pending.size() == kPendingRulesMax) {
      ++pool.counters.pending_over_limit;
      continue;
    }
    waiting->sides[d].pending.push_back(rule);
    waiting->sides[d].retain = true;
  }
}

void Matcher::Impl::body(Scene& scene, const HttpTransaction& transaction, std::span<const uint8_t> bytes) {
  TransactionState* open = scene.flow->find_transaction(transaction.id);
  if (open == nullptr) return;
  TransactionSide& side = open->sides[static_cast<size_t>(index(scene.direction))];
  if (!side.retain || side.done) return;
  if (!pool.append_body(side, bytes)) inspect_body(scene, transaction, side);
}

void Matcher::Impl::message_end(Scene& scene, const HttpTransaction& transaction) {
  TransactionState* open = scene.flow->find_transaction(transaction.id);
  if (open == nullptr) return;
  TransactionSide& side = open->sides[static_cast<size_t>(index(scene.direction))];
  if (side.retain && !side.done) inspect_body(scene, transaction, side);
}

void Matcher::Impl::find_body_candidates(const Prefilter& prefilter, std::span<const uint8_t> body) {
  const bool remembered = body.size() >= BodyVerdicts::kBodyBytesMin;
  BodyVerdicts::Key key;
  if (remembered) {
    key = verdicts.key_of(body, prefilter);
    if (const BodyVerdicts::Hits* known = verdicts.find(key)) {
      for (const uint32_t literal : known->span()) add_candidates(prefilter.rules_of(literal));
      return;
    }
  }
  literals.clear();
  prefilter.scan(body, scratch.get(), [&](uint32_t literal, uint64_t) { literals.push_back(literal); });
  for (const uint32_t literal : literals) add_candidates(prefilter.rules_of(literal));
  if (remembered) verdicts.remember(key, literals);
}

void Matcher::Impl::inspect_body(Scene& scene, const HttpTransaction& transaction, TransactionSide& side) {
  side.done = true;
  const RuleList& list = rules->zone_rules(scene.source, scene.destination, scene.direction).body;
  buffers.begin(transaction, scene.direction, side.body);
  add_candidates(side.pending);
  add_candidates(list.always);
  if (list.prefilter != nullptr && !side.body.empty()) find_body_candidates(*list.prefilter, side.body);
  sort_candidates();
  for (const uint32_t rule : candidates) {
    if (!transaction_holds(rules->rule(rule), scene, false)) continue;
    if (!matched(rule, scene, &transaction)) break;
  }
  pool.release_body(side);
  side.pending.clear();
}

}  // namespace gatetape
