#include "rules/engine/compile_rule.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "packet/decode.h"
#include "rules/engine/content_inspection.h"

namespace gatetape {
namespace {

bool wants_direction(const Rule& rule, Direction direction) {
  if (rule.flow.direction == FlowDirection::kAny) return true;
  return (rule.flow.direction == FlowDirection::kToServer) == (direction == Direction::kToServer);
}

bool is_question(const FlowbitTest& test) {
  return test.operation == FlowbitOperation::kIsSet || test.operation == FlowbitOperation::kIsNotSet;
}

// A rule that changes flowbits comes before those that ask for them.
int flowbit_rank(const Rule& rule) {
  const bool asks = std::any_of(rule.flowbits.begin(), rule.flowbits.end(), is_question);
  const bool changes = !std::all_of(rule.flowbits.begin(), rule.flowbits.end(), is_question);
  return changes ? (asks ? 1 : 0) : (asks ? 2 : 3);
}

bool is_positional(const Rule& rule) {
  for (const InspectionGroup& group : rule.groups) {
    for (const Element& element : group.elements) {
      const auto* content = std::get_if<ContentElement>(&element);
      if (content == nullptr || content->relative) continue;
      if (content->depth || content->offset.is_variable() || content->offset.number != 0) return true;
    }
  }
  return false;
}

// Nothing in the rule is about one packet more than about another of the same flow and direction.
bool is_about_flow(const Rule& rule) {
  const auto is_protocol = [](const PacketTest& test) { return test.field == PacketField::kIpProtocol; };
  return rule.groups.empty() && rule.tcp_flags.empty() && rule.stream_sizes.empty() && !rule.flow.given &&
         std::all_of(rule.packet_tests.begin(), rule.packet_tests.end(), is_protocol);
}

// The payload of such a rule may lie in the body: the rule waits for it. One without any buffer is about packets of
// flows that speak its protocol.
uint8_t transaction_moments(const Rule& rule, Direction direction) {
  if (rule.groups.empty()) return kOnPacket;
  uint8_t moments = kOnHead;
  bool here = false;
  for (const InspectionGroup& group : rule.groups) {
    const BufferDirections directions = buffer_directions(group.buffer);
    if (directions & side_of(direction)) here = true;
    // A request's buffers are still there when the response comes.
    if (directions == kInResponse && direction == Direction::kToServer) return 0;
    if (is_body(group.buffer) || group.buffer == Buffer::kPayload) moments = kOnBody;
  }
  return here ? moments : 0;
}

int element_cost(const InspectionGroup& group) {
  const bool has_expression = std::any_of(group.elements.begin(), group.elements.end(),
                                          [](const Element& e) { return std::holds_alternative<PcreElement>(e); });
  const int buffer = is_body(group.buffer) ? 4 : group.buffer == Buffer::kPayload ? 3 : 1;
  return buffer * 10 + (has_expression ? 5 : 0) + static_cast<int>(std::min<size_t>(group.elements.size(), 4));
}

bool is_relative(const Element& element) {
  if (const auto* content = std::get_if<ContentElement>(&element)) return content->relative;
  if (const auto* expression = std::get_if<PcreElement>(&element)) return expression->relative;
  if (const auto* data_at = std::get_if<IsDataAtElement>(&element)) return data_at->relative;
  if (const auto* test = std::get_if<ByteTestElement>(&element)) return test->field.relative;
  if (const auto* jump = std::get_if<ByteJumpElement>(&element)) return jump->field.relative;
  if (const auto* extract = std::get_if<ByteExtractElement>(&element)) return extract->field.relative;
  return false;
}

CompiledGroup compile_group(const InspectionGroup& group, std::deque<std::string>& needles) {
  CompiledGroup compiled;
  compiled.buffer = group.buffer;
  compiled.transforms = &group.transforms;
  for (size_t i = 0; i < group.elements.size(); ++i) {
    CompiledElement element;
    element.element = &group.elements[i];
    element.next_is_relative = i + 1 < group.elements.size() && is_relative(group.elements[i + 1]);
    if (const auto* content = std::get_if<ContentElement>(&group.elements[i])) {
      element.needle = content->bytes;
      if (content->nocase) {
        std::string& lower = needles.emplace_back(content->bytes);
        for (char& c : lower) c = static_cast<char>(to_lower(static_cast<uint8_t>(c)));
        element.needle = lower;
      }
    }
    compiled.elements.push_back(element);
  }
  return compiled;
}

// The cheapest first, so that most rules fail early; in the order written where a variable ties them to it.
std::vector<CompiledGroup> compile_groups(const Rule& rule, std::deque<std::string>& needles) {
  std::vector<size_t> order(rule.groups.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (rule.variable_count == 0) {
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return element_cost(rule.groups[a]) < element_cost(rule.groups[b]); });
  }
  std::vector<CompiledGroup> compiled;
  for (const size_t i : order) compiled.push_back(compile_group(rule.groups[i], needles));
  return compiled;
}

}  // namespace

PacketKind packet_kind(uint8_t protocol) {
  switch (protocol) {
    case kProtocolTcp:
      return PacketKind::kTcp;
    case kProtocolUdp:
      return PacketKind::kUdp;
    case kProtocolIcmp:
    case kProtocolIcmpv6:
      return PacketKind::kIcmp;
    default:
      return PacketKind::kOther;
  }
}

bool is_before(const Rule& a, const Rule& b) {
  const auto key = [](const Rule& rule) {
    return std::make_tuple(static_cast<int>(rule.action), flowbit_rank(rule), rule.priority, rule.sid);
  };
  return key(a) < key(b);
}

bool applies_to(const Rule& rule, PacketKind kind) {
  switch (rule.protocol) {
    case RuleProtocol::kIp:
      return true;
    case RuleProtocol::kUdp:
      return kind == PacketKind::kUdp;
    case RuleProtocol::kIcmp:
      return kind == PacketKind::kIcmp;
    case RuleProtocol::kTcp:
    case RuleProtocol::kTcpPacket:
    case RuleProtocol::kTcpStream:
    case RuleProtocol::kApp:
      return kind == PacketKind::kTcp;
  }
  return false;
}

// As Suricata has it, payload keywords look at the stream, unless something in the rule is about a packet. A rule that
// depends on positions, or on the stream's size, looks at both.
uint8_t tcp_moments(const Rule& rule) {
  if (rule.protocol == RuleProtocol::kTcpPacket) return kOnPacket;
  if (rule.protocol == RuleProtocol::kTcpStream) return kOnStream;
  if (rule.groups.empty() || !rule.packet_tests.empty() || !rule.tcp_flags.empty()) return kOnPacket;
  if (rule.flow.data == FlowData::kNoStream) return kOnPacket;
  if (rule.flow.data == FlowData::kOnlyStream) return kOnStream;
  return is_positional(rule) || !rule.stream_sizes.empty() ? kOnPacket | kOnStream : kOnStream;
}

CompiledRule compile_rule(const Rule& rule, std::span<const FlowbitId> flowbits, std::deque<std::string>& needles) {
  CompiledRule compiled;
  compiled.rule = &rule;
  for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
    if (!wants_direction(rule, d)) continue;
    uint8_t moments = kOnPacket;
    if (rule.transactional) {
      moments = transaction_moments(rule, d);
    } else if (applies_to(rule, PacketKind::kTcp)) {
      moments = tcp_moments(rule);
      // Other protocols have no stream.
      if (rule.protocol == RuleProtocol::kIp) moments |= kOnPacket;
    }
    compiled.moments[static_cast<size_t>(index(d))] = moments;
  }
  compiled.groups = compile_groups(rule, needles);
  for (const FlowbitTest& test : rule.flowbits) {
    CompiledFlowbits bits;
    bits.operation = test.operation;
    for (const uint32_t name : test.bits) bits.bits.push_back(flowbits[name]);
    (is_question(test) ? compiled.flowbit_questions : compiled.flowbit_changes).push_back(std::move(bits));
  }
  compiled.any_source = rule.source->is_all() && rule.source_ports->is_all();
  compiled.any_destination = rule.destination->is_all() && rule.destination_ports->is_all();
  compiled.positional = is_positional(rule);
  compiled.passes_flow = is_about_flow(rule);
  compiled.may_complete_later = rule.groups.size() > 1 || (!rule.groups.empty() && rule.groups[0].elements.size() > 1);
  return compiled;
}

}  // namespace gatetape
