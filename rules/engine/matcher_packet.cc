#include <algorithm>

#include "rules/engine/matcher_impl.h"

namespace gatetape {

// Rules for the packet and for the streams are one list in rule order, so that a flowbit that a packet's rule sets is
// there for a stream's that asks, and the other way round.
void Matcher::Impl::look_at_packet_and_streams() {
  if (!current.packet_waits && !stream_looks[0].waits && !stream_looks[1].waits) return;
  FlowFacts facts_before = *current.facts;
  facts_before.established = current.established_before;
  facts_before.app_protocol = current.protocol_before;
  const Scene packet_scene(*current.decoded, facts_before, *current.flow, current.facts->direction);
  const Scene stream_scenes[2] = {{*current.decoded, *current.facts, *current.flow, Direction::kToServer, true},
                                  {*current.decoded, *current.facts, *current.flow, Direction::kToClient, true}};
  candidates.clear();
  stream_candidates.clear();
  if (current.packet_waits) find_packet_candidates(packet_scene);
  for (size_t side = 0; side < 2; ++side) {
    if (!stream_looks[side].waits) continue;
    const Scene& scene = stream_scenes[side];
    find_stream_candidates(rules->zone_rules(scene.source, scene.destination, scene.direction).stream, side);
  }
  std::sort(candidates.begin(), candidates.end());
  std::sort(stream_candidates.begin(), stream_candidates.end(),
            [](const StreamCandidate& a, const StreamCandidate& b) { return a.rule < b.rule; });
  current.packet_waits = stream_looks[0].waits = stream_looks[1].waits = false;

  auto in_packet = candidates.begin();
  auto in_stream = stream_candidates.begin();
  while (current.inspected && (in_packet != candidates.end() || in_stream != stream_candidates.end())) {
    const bool stream_next =
        in_stream != stream_candidates.end() && (in_packet == candidates.end() || in_stream->rule <= *in_packet);
    if (stream_next) {
      look_at_stream(*in_stream, stream_scenes[in_stream->side]);
      ++in_stream;
    } else {
      look_at_packet(*in_packet, packet_scene);
      ++in_packet;
    }
  }
}

void Matcher::Impl::find_packet_candidates(const Scene& scene) {
  const DecodedPacket& decoded = scene.decoded;
  const bool whole = decoded.has_transport && !decoded.is_fragment;
  const PacketKind kind = whole ? packet_kind(decoded.protocol) : PacketKind::kOther;
  const ZoneRules& zone = rules->zone_rules(scene.source, scene.destination, scene.direction);
  const ZoneRules::PacketRules& list = zone.packet[static_cast<size_t>(kind)];
  const std::span<const uint8_t> payload = decoded.payload(*current.packet);

  begin_candidates();
  const auto scan = [&](const Prefilter* prefilter) {
    if (prefilter == nullptr) return;
    prefilter->scan(payload, scratch.get(),
                    [&](uint32_t literal, uint64_t) { add_candidates(prefilter->rules_of(literal), candidates); });
  };
  if (!payload.empty()) {
    scan(list.near);
    scan(list.whole);
    add_candidates(list.always_payload, candidates);
    // Nobody reassembles the packets of no connection: they are all there is to see of it.
    const bool unstreamed =
        kind == PacketKind::kTcp && !scene.facts.established && scene.facts.stream_bytes[index(scene.direction)] == 0;
    if (unstreamed) {
      scan(zone.stream.prefilter);
      add_candidates(zone.stream.always, candidates);
    }
  }
  add_candidates(list.always, candidates);
}

void Matcher::Impl::look_at_packet(uint32_t rule, const Scene& scene) {
  const CompiledRule& compiled = rules->rule(rule);
  if (!conditions_hold(compiled, scene) || !payload_holds(compiled, scene.decoded.payload(*current.packet))) return;
  matched(rule, scene, nullptr);
}

void Matcher::Impl::look_at_stream(const StreamCandidate& candidate, const Scene& scene) {
  const CompiledRule& compiled = rules->rule(candidate.rule);
  StreamTail& side = state().streams()[candidate.side];
  const StreamWindow& window = *side.window;
  if (compiled.positional && window.base != 0) return;
  if (!conditions_hold(compiled, scene)) return;
  // A rule without literal would find the same again in what was seen before: it looks at what is new.
  const bool always = candidate.literal_end == 0;
  const size_t begin = always ? stream_looks[candidate.side].begin : 0;
  if (payload_holds(compiled, window.view().subspan(begin))) {
    matched(candidate.rule, scene, nullptr);
  } else if (!always && compiled.may_complete_later) {
    if (side.pending.size() < kPendingStreamRulesMax) {
      side.pending.push_back({candidate.rule, candidate.literal_end});
    } else {
      ++pool.counters.pending_over_limit;
    }
  }
}

}  // namespace gatetape
