#include "rules/engine/rule_conditions.h"

#include <algorithm>

#include "rules/engine/compile.h"
#include "rules/engine/flow_rule_state.h"

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
    case RuleProtocol::kApp:
      return (rule.app_protocols & set_of(facts.app_protocol)) != 0;
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

bool flowbits_hold(const std::vector<CompiledFlowbits>& questions, const FlowRuleState* state) {
  return std::all_of(questions.begin(), questions.end(), [&](const CompiledFlowbits& question) {
    const bool wanted = question.operation == FlowbitOperation::kIsSet;
    return std::any_of(question.bits.begin(), question.bits.end(),
                       [&](FlowbitId bit) { return (state != nullptr && state->has_bit(bit)) == wanted; });
  });
}

}  // namespace

bool conditions_hold(const CompiledRule& compiled, const Scene& scene) {
  const Rule& rule = *compiled.rule;
  const bool forward =
      header_holds(compiled, scene.source, scene.source_port, scene.destination, scene.destination_port);
  if (!forward && !(rule.bidirectional && header_holds(compiled, scene.destination, scene.destination_port,
                                                       scene.source, scene.source_port))) {
    return false;
  }
  return protocol_holds(rule, scene.decoded, scene.facts) && flow_holds(rule.flow, scene.facts, scene.direction) &&
         packet_holds(rule, scene.decoded, scene.facts) && flowbits_hold(compiled.flowbit_questions, scene.flow.get());
}

void change_flowbits(const CompiledRule& rule, FlowRuleState& state) {
  for (const CompiledFlowbits& change : rule.flowbit_changes) {
    for (const FlowbitId bit : change.bits) {
      const bool toggle = change.operation == FlowbitOperation::kToggle;
      if (change.operation == FlowbitOperation::kSet || (toggle && !state.has_bit(bit))) {
        state.set_bit(bit);
      } else {
        state.unset_bit(bit);
      }
    }
  }
}

}  // namespace gatetape
