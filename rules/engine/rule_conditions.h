// The conditions of a rule that are not about bytes: addresses and ports, protocol, flow, header fields of the packet,
// and flowbits. The matcher asks them first, since they cost least.
#pragma once

#include "rules/engine/compiled_rule.h"
#include "rules/engine/matcher.h"

namespace gatetape {

// One look: the packet at which it happens, and who sent the bytes that are looked at. At the end of a flow, or when a
// gap is given up, these are not the packet's sender and direction.
struct Scene {
  Scene(const DecodedPacket& decoded_in, const FlowFacts& facts_in, Matcher::FlowStatePointer& flow_in,
        Direction direction_in, bool is_stream_in = false)
      : Scene(decoded_in, facts_in, flow_in, direction_in, is_stream_in, facts_in.direction == direction_in) {}

  const DecodedPacket& decoded;
  const FlowFacts& facts;
  Matcher::FlowStatePointer& flow;
  Direction direction;
  bool is_stream;
  const IpAddress& source;
  const IpAddress& destination;
  uint16_t source_port;
  uint16_t destination_port;

 private:
  Scene(const DecodedPacket& d, const FlowFacts& f, Matcher::FlowStatePointer& state, Direction way, bool stream,
        bool as_packet)
      : decoded(d),
        facts(f),
        flow(state),
        direction(way),
        is_stream(stream),
        source(as_packet ? d.source : d.destination),
        destination(as_packet ? d.destination : d.source),
        source_port(as_packet ? d.source_port : d.destination_port),
        destination_port(as_packet ? d.destination_port : d.source_port) {}
};

bool conditions_hold(const CompiledRule& rule, const Scene& scene);

// Sets, unsets and toggles the flowbits that the rule names. Called when everything else in the rule holds.
void change_flowbits(const CompiledRule& rule, FlowRuleState& state);

}  // namespace gatetape
