#include <algorithm>

#include "expression/endpoint_condition.h"
#include "expression/expression_parts.h"

namespace gatetape {

namespace {

using Kind = ExpressionTerm::Kind;

constexpr size_t kVerdictsMax = 1'000'000;

const DecodedPacket& decoded_once(const StoredPacket& packet, std::optional<DecodedPacket>& decoded) {
  if (!decoded) decode(packet.packet, decoded.emplace());
  return *decoded;
}

bool packet_holds(const OwnTerm& own, const StoredPacket& packet, const DecodedPacket& decoded) {
  const bool ports = decoded.has_transport && (decoded.protocol == kProtocolTcp || decoded.protocol == kProtocolUdp);
  switch (own.name) {
    case OwnName::kFlowId:
      return own.holds(packet.flow_id);
    case OwnName::kVlanId:
      return holds_vlan(own, decoded.vlan_id, decoded.vlan_count);
    case OwnName::kAnyHost:
      if (decoded.ip_version == 0) return own.comparison == Comparison::kNotEqual;
      return holds_address(own, decoded.source, decoded.destination);
    case OwnName::kAnyPort:
      if (!ports) return own.comparison == Comparison::kNotEqual;
      return holds_any(own, decoded.source_port, decoded.destination_port);
    default:
      return false;
  }
}

}  // namespace

bool holds_any(const OwnTerm& term, uint64_t first, uint64_t second) {
  if (term.comparison == Comparison::kNotEqual) return first != term.number && second != term.number;
  return term.holds(first) || term.holds(second);
}

bool holds_address(const OwnTerm& term, const IpAddress& source, const IpAddress& destination) {
  const bool any = term.prefix.contains(source) || term.prefix.contains(destination);
  return any == (term.comparison == Comparison::kEqual);
}

bool holds_vlan(const OwnTerm& term, const uint16_t* ids, unsigned count) {
  if (count == 0) return term.comparison == Comparison::kNotEqual;
  return holds_any(term, ids[0], ids[count > 1 ? 1 : 0]);
}

bool is_community(const OwnTerm& term, const Endpoints& endpoints) {
  return (community_id(endpoints) == term.text) == (term.comparison == Comparison::kEqual);
}

bool Expression::Parts::matches(const ExpressionTerm& term, const StoredPacket& packet,
                                std::optional<DecodedPacket>& decoded) {
  const auto child_matches = [&](const ExpressionTerm& child) { return matches(child, packet, decoded); };
  switch (term.kind) {
    case Kind::kAnd:
      return std::ranges::all_of(term.children, child_matches);
    case Kind::kOr:
      return std::ranges::any_of(term.children, child_matches);
    case Kind::kNot:
      return !child_matches(term.children[0]);
    case Kind::kPiece: {
      const auto& programs = pieces[term.index].by_link_type;
      const auto program = programs.find(packet.packet.link_type);
      return program != programs.end() && program->second.matches(packet.packet);
    }
    case Kind::kOwn:
      return packet_holds(term.own, packet, decoded_once(packet, decoded));
    case Kind::kConnection:
      if (connections[term.index].name == OwnName::kCommunityId) {
        return matches_community(connections[term.index], packet, decoded);
      }
      return connections[term.index].flows.contains(packet.flow_id);
  }
  return false;
}

// A community id costs a microsecond, so the packets of a flow share the answer.
bool Expression::Parts::matches_community(ConnectionTerm& term, const StoredPacket& packet,
                                          std::optional<DecodedPacket>& decoded) {
  if (packet.flow_id != 0) {
    const auto found = term.verdicts.find(packet.flow_id);
    if (found != term.verdicts.end()) return found->second;
  }
  const DecodedPacket& d = decoded_once(packet, decoded);
  if (!d.has_transport) return term.node.own.comparison == Comparison::kNotEqual;
  const Endpoints endpoints{d.source, d.destination, d.source_port, d.destination_port, d.protocol};
  const bool verdict = is_community(term.node.own, endpoints);
  if (term.verdicts.size() >= kVerdictsMax) term.verdicts.clear();
  if (packet.flow_id != 0) term.verdicts.emplace(packet.flow_id, verdict);
  return verdict;
}

}  // namespace gatetape
