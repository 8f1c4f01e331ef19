#include "rules/engine/matcher.h"

#include <algorithm>

#include "common/check.h"
#include "rules/engine/matcher_impl.h"

namespace gatetape {
namespace {

bool header_holds(const CompiledRule& compiled, const IpAddress& source, uint16_t source_port,
                  const IpAddress& destination, uint16_t destination_port) {
  const Rule& rule = *compiled.rule;
  return (compiled.any_source || (rule.source_ports->contains(source_port) && rule.source->contains(source))) &&
         (compiled.any_destination ||
          (rule.destination_ports->contains(destination_port) && rule.destination->contains(destination)));
}

bool protocol_holds(const Rule& rule, const DecodedPacket& decoded, const FlowFacts& facts) {
  switch (rule.protocol) {
    case RuleProtocol::kIp:
      return true;
    case RuleProtocol::kTcp:
    case RuleProtocol::kTcpPacket:
    case RuleProtocol::kTcpStream:
      return decoded.protocol == kProtocolTcp;
    case RuleProtocol::kUdp:
      return decoded.protocol == kProtocolUdp;
    case RuleProtocol::kIcmp:
      return decoded.protocol == kProtocolIcmp || decoded.protocol == kProtocolIcmpv6;
    case RuleProtocol::kHttp:
      return facts.app_protocol == AppProtocol::kHttp1 || facts.app_protocol == AppProtocol::kHttp2;
    case RuleProtocol::kHttp1:
      return facts.app_protocol == AppProtocol::kHttp1;
  }
  return false;
}

bool flow_holds(const FlowOptions& options, const FlowFacts& facts, Direction direction) {
  if (!options.given) return true;
  if (options.state == FlowState::kEstablished && !facts.established) return false;
  if (options.state == FlowState::kNotEstablished && facts.established) return false;
  if (options.state != FlowState::kStateless && !facts.has_flow) return false;
  if (options.direction == FlowDirection::kAny) return true;
  return (options.direction == FlowDirection::kToServer) == (direction == Direction::kToServer);
}

uint64_t field_of(PacketField field, const DecodedPacket& decoded) {
  switch (field) {
    case PacketField::kPayloadSize:
      return decoded.payload_length;
    case PacketField::kTtl:
      return decoded.ttl;
    case PacketField::kIcmpType:
      return decoded.source_port;
    case PacketField::kIcmpCode:
      return decoded.destination_port;
    case PacketField::kIpProtocol:
      return decoded.protocol;
  }
  return 0;
}

bool flags_hold(const TcpFlagsTest& test, uint8_t tcp_flags) {
  const auto flags = static_cast<uint8_t>(tcp_flags & ~test.ignored);
  switch (test.match) {
    case FlagsMatch::kExactly:
      return flags == test.flags;
    case FlagsMatch::kAllOf:
      return (flags & test.flags) == test.flags;
    case FlagsMatch::kAnyOf:
      return (flags & test.flags) != 0;
    case FlagsMatch::kNoneOf:
      return (flags & test.flags) == 0;
  }
  return false;
}

bool stream_size_holds(const StreamSizeTest& test, const FlowFacts& facts) {
  const bool client = test.test.holds(facts.stream_bytes[index(Direction::kToServer)]);
  const bool server = test.test.holds(facts.stream_bytes[index(Direction::kToClient)]);
  switch (test.side) {
    case StreamSide::kServer:
      return server;
    case StreamSide::kClient:
      return client;
    case StreamSide::kBoth:
      return client && server;
    case StreamSide::kEither:
      return client || server;
  }
  return false;
}

bool packet_holds(const Rule& rule, const DecodedPacket& decoded, const FlowFacts& facts) {
  for (const PacketTest& test : rule.packet_tests) {
    const bool icmp_field = test.field == PacketField::kIcmpType || test.field == PacketField::kIcmpCode;
    if (icmp_field && packet_kind(decoded.protocol) != PacketKind::kIcmp) return false;
    if (!test.test.holds(field_of(test.field, decoded))) return false;
    // "dsize:!9" asks for a payload of another size, not for none.
    if (test.field == PacketField::kPayloadSize && test.test.negated && decoded.payload_length == 0) return false;
  }
  for (const TcpFlagsTest& test : rule.tcp_flags) {
    if (decoded.protocol != kProtocolTcp || !flags_hold(test, decoded.tcp_flags)) return false;
  }
  for (const StreamSizeTest& test : rule.stream_sizes) {
    if (!stream_size_holds(test, facts)) return false;
  }
  return true;
}

bool flowbits_hold(const Rule& rule, const FlowRuleState* state) {
  for (const FlowbitTest& test : rule.flowbits) {
    if (test.operation != FlowbitOperation::kIsSet && test.operation != FlowbitOperation::kIsNotSet) continue;
    const bool wanted = test.operation == FlowbitOperation::kIsSet;
    const bool any = std::any_of(test.bits.begin(), test.bits.end(),
                                 [&](uint32_t bit) { return (state != nullptr && state->has_bit(bit)) == wanted; });
    if (!any) return false;
  }
  return true;
}

void change_flowbits(const Rule& rule, FlowRuleState& state) {
  for (const FlowbitTest& test : rule.flowbits) {
    for (const uint32_t bit : test.bits) {
      const bool toggle = test.operation == FlowbitOperation::kToggle;
      if (test.operation == FlowbitOperation::kSet || (toggle && !state.has_bit(bit))) {
        state.set_bit(bit);
      } else if (test.operation == FlowbitOperation::kUnset || toggle) {
        state.unset_bit(bit);
      }
    }
  }
}

bool changes_flowbits(const Rule& rule) {
  return std::any_of(rule.flowbits.begin(), rule.flowbits.end(), [](const FlowbitTest& test) {
    return test.operation != FlowbitOperation::kIsSet && test.operation != FlowbitOperation::kIsNotSet;
  });
}

bool same_direction(const FlowFacts& facts, Direction direction) {
  return facts.direction == direction;
}

}  // namespace

Matcher::Scene::Scene(const Packet& packet_in, const DecodedPacket& decoded_in, const FlowFacts& facts_in,
                      FlowStatePointer& flow_in, Direction direction_in)
    : packet(packet_in),
      decoded(decoded_in),
      facts(facts_in),
      flow(flow_in),
      direction(direction_in),
      source(same_direction(facts, direction) ? decoded.source : decoded.destination),
      destination(same_direction(facts, direction) ? decoded.destination : decoded.source),
      source_port(same_direction(facts, direction) ? decoded.source_port : decoded.destination_port),
      destination_port(same_direction(facts, direction) ? decoded.destination_port : decoded.source_port) {}

Matcher::Impl::Impl(std::shared_ptr<const RuleSet> rules_in) : rules(std::move(rules_in)), marks(rules->size(), 0) {
  hs_scratch_t* grown = nullptr;
  for (const PrefilterInfo& info : rules->prefilters()) {
    GT_CHECK(hs_alloc_scratch(info.prefilter->database(), &grown) == HS_SUCCESS);
  }
  scratch.reset(grown);
}

void Matcher::Impl::sort_candidates() {
  std::sort(candidates.begin(), candidates.end());
}

FlowRuleState& Matcher::Impl::state(Scene& scene) {
  if (scene.flow == nullptr) scene.flow.reset(pool.acquire());
  return *scene.flow;
}

bool Matcher::Impl::conditions_hold(const CompiledRule& compiled, const Scene& scene) const {
  const Rule& rule = *compiled.rule;
  const bool forward =
      header_holds(compiled, scene.source, scene.source_port, scene.destination, scene.destination_port);
  if (!forward && !(rule.bidirectional && header_holds(compiled, scene.destination, scene.destination_port,
                                                       scene.source, scene.source_port))) {
    return false;
  }
  return protocol_holds(rule, scene.decoded, scene.facts) && flow_holds(rule.flow, scene.facts, scene.direction) &&
         packet_holds(rule, scene.decoded, scene.facts) && flowbits_hold(rule, scene.flow.get());
}

bool Matcher::Impl::payload_holds(const CompiledRule& rule, std::span<const uint8_t> payload) {
  inspector.begin_rule();
  for (const CompiledGroup& group : rule.groups) {
    if (!inspector.inspect(group, transformed(payload, *group.transforms, transform_text))) return false;
  }
  return true;
}

bool Matcher::Impl::matched(uint32_t rule, Scene& scene, const HttpTransaction* transaction) {
  const Rule& matched_rule = *rules->rule(rule).rule;
  if (changes_flowbits(matched_rule)) change_flowbits(matched_rule, state(scene));
  if (matched_rule.action == RuleAction::kPass) {
    // What passes by its stream or transaction passes to the flow's end; a packet passes alone.
    if (transaction != nullptr ||
        (rules->rule(rule).moments[static_cast<size_t>(index(scene.direction))] & kOnStream)) {
      state(scene).passed = true;
    }
    return false;
  }
  if (!matched_rule.noalert && report(rule, scene, transaction)) {
    hits.push_back({&matched_rule, transaction, scene.direction});
  }
  return true;
}

bool Matcher::Impl::report(uint32_t rule, const Scene& scene, const HttpTransaction* transaction) {
  if (transaction == nullptr) {
    if (reported_ordinal != scene.packet.ordinal) {
      reported_ordinal = scene.packet.ordinal;
      reported.clear();
    }
    // What depends on positions may be true of the packet and of the stream, and Suricata reports both.
    const Reported now{rule, rules->rule(rule).positional && scene.is_stream};
    if (std::find(reported.begin(), reported.end(), now) != reported.end()) return false;
    reported.push_back(now);
  }
  const Threshold& threshold = rules->rule(rule).rule->threshold;
  if (threshold.kind == ThresholdKind::kNone) return true;
  ThresholdQuestion question;
  question.threshold = &threshold;
  question.rule = rule;
  question.flow_id = scene.facts.flow_id;
  question.source = scene.source;
  question.destination = scene.destination;
  question.timestamp_ns = scene.packet.timestamp_ns;
  return thresholds.count_and_ask(question);
}

void Matcher::Impl::packet(Scene& scene) {
  const DecodedPacket& decoded = scene.decoded;
  const bool whole = decoded.has_transport && !decoded.is_fragment;
  const PacketKind kind = whole ? packet_kind(decoded.protocol) : PacketKind::kOther;
  const ZoneRules& zone = rules->zone_rules(scene.source, scene.destination, scene.direction);
  const ZoneRules::PacketRules& list = zone.packet[static_cast<size_t>(kind)];
  const std::span<const uint8_t> payload = decoded.payload(scene.packet);

  const auto scan = [&](const Prefilter* prefilter) {
    if (prefilter == nullptr) return;
    prefilter->scan(payload, scratch.get(),
                    [&](uint32_t literal, uint64_t) { add_candidates(prefilter->rules_of(literal)); });
  };
  if (!payload.empty()) {
    scan(list.near);
    scan(list.whole);
    add_candidates(list.always_payload);
    // Nobody reassembles what belongs to no connection: its packets are all there is to see of it.
    const bool unstreamed =
        kind == PacketKind::kTcp && !scene.facts.established && scene.facts.stream_bytes[index(scene.direction)] == 0;
    if (unstreamed) {
      scan(zone.stream.prefilter);
      add_candidates(zone.stream.always);
    }
  }
  add_candidates(list.always);
  sort_candidates();
  for (const uint32_t rule : candidates) {
    const CompiledRule& compiled = rules->rule(rule);
    if (!conditions_hold(compiled, scene) || !payload_holds(compiled, payload)) continue;
    if (!matched(rule, scene, nullptr)) return;
  }
}

Matcher::Matcher(std::shared_ptr<const RuleSet> rules) : impl_(std::make_unique<Impl>(std::move(rules))) {}
Matcher::~Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;

void Matcher::FreeFlowState::operator()(FlowRuleState* state) const {
  state->pool().release(state);
}

std::span<const RuleHit> Matcher::inspect_packet(const Packet& packet, const DecodedPacket& decoded,
                                                 const FlowFacts& facts, FlowStatePointer& flow) {
  Scene scene(packet, decoded, facts, flow, facts.direction);
  impl_->begin_look();
  if (!impl_->passed(scene)) impl_->packet(scene);
  return impl_->hits;
}

std::span<const RuleHit> Matcher::inspect_stream(const Packet& packet, const DecodedPacket& decoded,
                                                 const FlowFacts& facts, FlowStatePointer& flow, Direction direction,
                                                 std::span<const uint8_t> bytes, uint64_t offset) {
  Scene scene(packet, decoded, facts, flow, direction);
  impl_->begin_look();
  scene.is_stream = true;
  if (!impl_->passed(scene)) impl_->stream(scene, bytes, offset);
  return impl_->hits;
}

std::span<const RuleHit> Matcher::http_head(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                                            FlowStatePointer& flow, const HttpTransaction& transaction,
                                            Direction direction) {
  Scene scene(packet, decoded, facts, flow, direction);
  impl_->begin_look();
  if (!impl_->passed(scene)) impl_->head(scene, transaction);
  return impl_->hits;
}

std::span<const RuleHit> Matcher::http_body(const Packet& packet, const DecodedPacket& decoded, const FlowFacts& facts,
                                            FlowStatePointer& flow, const HttpTransaction& transaction,
                                            Direction direction, std::span<const uint8_t> bytes) {
  impl_->begin_look();
  if (flow == nullptr) return {};
  Scene scene(packet, decoded, facts, flow, direction);
  if (!impl_->passed(scene)) impl_->body(scene, transaction, bytes);
  return impl_->hits;
}

bool Matcher::wants_body(const FlowStatePointer& flow, const HttpTransaction& transaction, Direction direction) const {
  if (flow == nullptr || flow->passed) return false;
  TransactionState* open = flow->find_transaction(transaction.id);
  if (open == nullptr) return false;
  const TransactionSide& side = open->sides[static_cast<size_t>(index(direction))];
  return side.retain && !side.done;
}

std::span<const RuleHit> Matcher::http_message_end(const Packet& packet, const DecodedPacket& decoded,
                                                   const FlowFacts& facts, FlowStatePointer& flow,
                                                   const HttpTransaction& transaction, Direction direction) {
  impl_->begin_look();
  if (flow == nullptr) return {};
  Scene scene(packet, decoded, facts, flow, direction);
  if (!impl_->passed(scene)) impl_->message_end(scene, transaction);
  return impl_->hits;
}

void Matcher::http_end(FlowStatePointer& flow, const HttpTransaction& transaction) {
  if (flow != nullptr) flow->close_transaction(transaction.id);
}

}  // namespace gatetape
