#include <algorithm>

#include "expression/expression_parts.h"

namespace gatetape {

namespace {

using Kind = ExpressionTerm::Kind;
using NodeKind = ExpressionNode::Kind;

bool can_answer(const ExpressionNode& node, const Record& record) {
  if (node.kind == NodeKind::kOwn) return node.own.field->answered_by(record);
  return std::ranges::all_of(node.children, [&](const ExpressionNode& child) { return can_answer(child, record); });
}

const uint16_t* vlan_ids_in(const Record& record) {
  return std::visit(
      [](const auto& concrete) -> const uint16_t* {
        if constexpr (requires { concrete.vlan_id; }) {
          return concrete.vlan_id;
        } else {
          return nullptr;
        }
      },
      record);
}

bool record_holds(const OwnTerm& own, const Record& record, const Endpoints& endpoints) {
  switch (own.name) {
    case OwnName::kFlowId:
      return own.holds(flow_id_in(record));
    case OwnName::kVlanId: {
      const uint16_t* ids = vlan_ids_in(record);
      return ids != nullptr && holds_vlan(own, ids, ids[0] == 0 ? 0 : ids[1] == 0 ? 1 : 2);
    }
    case OwnName::kAnyHost:
      return holds_address(own, endpoints.source, endpoints.destination);
    case OwnName::kAnyPort:
      if (endpoints.protocol != kProtocolTcp && endpoints.protocol != kProtocolUdp) {
        return own.comparison == Comparison::kNotEqual;
      }
      return holds_any(own, endpoints.source_port, endpoints.destination_port);
    default:
      return false;
  }
}

// Returns the record's own answer, or nothing when only its connection can answer.
std::optional<bool> own_answer(const ConnectionTerm& term, const Record& record, const Endpoints& endpoints) {
  if (term.name == OwnName::kCommunityId) return is_community(term.node.own, endpoints);
  if (term.name == OwnName::kField) {
    return can_answer(term.node, record) ? std::optional(fields_hold(term.node, record)) : std::nullopt;
  }
  if (const auto* alert = std::get_if<AlertRecord>(&record)) return term.node.own.holds(uint64_t{alert->sid});
  return std::nullopt;
}

bool piece_holds(const ExpressionNode& node, const Endpoints& endpoints) {
  const auto child_holds = [&](const ExpressionNode& child) { return piece_holds(child, endpoints); };
  switch (node.kind) {
    case NodeKind::kAnd:
      return std::ranges::all_of(node.children, child_holds);
    case NodeKind::kOr:
      return std::ranges::any_of(node.children, child_holds);
    case NodeKind::kNot:
      return !child_holds(node.children[0]);
    case NodeKind::kAtom:
    case NodeKind::kOwn:
      break;
  }
  return node.endpoint_condition && node.endpoint_condition->matches(endpoints);
}

}  // namespace

bool fields_hold(const ExpressionNode& node, const Record& record) {
  const auto child_holds = [&](const ExpressionNode& child) { return fields_hold(child, record); };
  if (node.kind == NodeKind::kOwn) return node.own.holds(node.own.field->value(record));
  if (node.kind == NodeKind::kAnd) return std::ranges::all_of(node.children, child_holds);
  return std::ranges::any_of(node.children, child_holds);
}

const Endpoints* endpoints_in(const Record& record) {
  return std::visit(
      [](const auto& concrete) -> const Endpoints* {
        if constexpr (requires { concrete.endpoints; }) {
          return &concrete.endpoints;
        } else {
          return nullptr;
        }
      },
      record);
}

uint64_t flow_id_in(const Record& record) {
  return std::visit(
      [](const auto& concrete) -> uint64_t {
        if constexpr (requires { concrete.flow_id; }) {
          return concrete.flow_id;
        } else {
          return 0;
        }
      },
      record);
}

bool Expression::Parts::matches(const ExpressionTerm& term, const Record& record, const Endpoints& endpoints) {
  const auto child_matches = [&](const ExpressionTerm& child) { return matches(child, record, endpoints); };
  switch (term.kind) {
    case Kind::kAnd:
      return std::ranges::all_of(term.children, child_matches);
    case Kind::kOr:
      return std::ranges::any_of(term.children, child_matches);
    case Kind::kNot:
      return !child_matches(term.children[0]);
    case Kind::kPiece:
      return piece_holds(pieces[term.index].node, endpoints);
    case Kind::kOwn:
      return record_holds(term.own, record, endpoints);
    case Kind::kConnection: {
      const ConnectionTerm& connection = connections[term.index];
      const std::optional<bool> answer = own_answer(connection, record, endpoints);
      return answer ? *answer : connection.flows.contains(flow_id_in(record));
    }
  }
  return false;
}

}  // namespace gatetape
