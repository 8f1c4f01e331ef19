#include "rules/language/rule_checks.h"

#include <algorithm>

#include "rules/language/rule_draft.h"

namespace gatetape {
namespace {

// Whether the rule looks at a buffer that a protocol supplies, and so at transactions.
bool inspects_transactions(const Rule& rule) {
  return std::any_of(rule.groups.begin(), rule.groups.end(), [](const InspectionGroup& group) {
    return buffer_info(group.buffer).source != BufferSource::kPackets && !group.elements.empty();
  });
}

// HTTP runs over TCP.
void check_protocol(RuleDraft& draft) {
  if (!inspects_transactions(draft.rule) ||
      (draft.rule.protocol != RuleProtocol::kUdp && draft.rule.protocol != RuleProtocol::kIcmp))
    return;
  for (size_t i = 0; i < draft.rule.groups.size(); ++i) {
    if (buffer_info(draft.rule.groups[i].buffer).source != BufferSource::kHttp) continue;
    return draft.problems.syntax(draft.groups.where(i), "{} cannot be used in a rule for {}",
                                 to_string(draft.rule.groups[i].buffer), draft.protocol_where);
  }
}

// An option about single packets excludes the stream and transactions.
void check_packet_and_stream(RuleDraft& draft) {
  if (draft.packet_where.empty()) return;
  if (inspects_transactions(draft.rule)) {
    return draft.problems.syntax(
        draft.packet_where, "{} is about single packets and cannot be combined with HTTP buffers", draft.packet_where);
  }
  if (!draft.stream_where.empty()) {
    draft.problems.syntax(draft.packet_where, "{} is about single packets and cannot be combined with {}",
                          draft.packet_where, draft.stream_where);
  }
}

// A buffer that only one direction has gives the rule its direction.
void check_directions(RuleDraft& draft) {
  FlowDirection implied = draft.rule.flow.direction;
  for (size_t i = 0; i < draft.rule.groups.size(); ++i) {
    const InspectionGroup& group = draft.rule.groups[i];
    const BufferDirections directions = buffer_directions(group.buffer);
    if (directions == kInBoth || group.elements.empty()) continue;
    const FlowDirection own = directions == kInRequest ? FlowDirection::kToServer : FlowDirection::kToClient;
    if (implied != FlowDirection::kAny && implied != own) {
      return draft.problems.syntax(draft.groups.where(i), "{} is in {} only, but the rule looks at {}",
                                   to_string(group.buffer), directions == kInRequest ? "requests" : "responses",
                                   directions == kInRequest ? "responses" : "requests");
    }
    implied = own;
  }
  draft.rule.flow.direction = implied;
}

// Reports a content that a buffer of this size cannot hold.
void check_contents_fit(RuleDraft& draft, const InspectionGroup& group, std::string_view where,
                        const NumberTest& size) {
  if (size.negated) return;
  for (const Element& element : group.elements) {
    const auto* content = std::get_if<ContentElement>(&element);
    if (content == nullptr || content->negated || content->bytes.size() <= size.high) continue;
    return draft.problems.syntax(where, "a content of {} bytes cannot be in {} of at most {} bytes",
                                 content->bytes.size(), to_string(group.buffer), size.high);
  }
}

// Sizes that the rule asks for must leave room for its contents.
void check_sizes(RuleDraft& draft) {
  for (size_t i = 0; i < draft.rule.groups.size(); ++i) {
    for (const Element& element : draft.rule.groups[i].elements) {
      const auto* size = std::get_if<BufferSizeElement>(&element);
      if (size != nullptr) check_contents_fit(draft, draft.rule.groups[i], draft.groups.where(i), size->size);
    }
    if (draft.rule.groups[i].buffer != Buffer::kPayload) continue;
    for (const PacketTest& test : draft.rule.packet_tests) {
      if (test.field == PacketField::kPayloadSize)
        check_contents_fit(draft, draft.rule.groups[i], draft.packet_where, test.test);
    }
  }
}

// In a buffer that is always lower case, a content with upper case could never match, and nocase shows that the author
// did not know.
void check_lower_case(RuleDraft& draft) {
  for (size_t i = 0; i < draft.rule.groups.size(); ++i) {
    if (!buffer_info(draft.rule.groups[i].buffer).lower_case) continue;
    for (const Element& element : draft.rule.groups[i].elements) {
      const auto* content = std::get_if<ContentElement>(&element);
      if (content == nullptr) continue;
      const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
      if (content->nocase || std::any_of(content->bytes.begin(), content->bytes.end(), is_upper)) {
        return draft.problems.syntax(draft.groups.where(i), "{} is lower case: write the content so, without nocase",
                                     to_string(draft.rule.groups[i].buffer));
      }
    }
  }
}

}  // namespace

void check_rule(RuleDraft& draft) {
  Rule& rule = draft.rule;
  rule.variable_count = static_cast<uint16_t>(draft.variables.size());
  if (draft.groups.selects_unused() && !draft.problems.is_broken()) {
    draft.problems.conflict(draft.groups.selected_where(), "nothing is looked for in {}",
                            to_string(draft.groups.buffer()));
  }
  if (!draft.has_sid) draft.problems.syntax(rule.text.substr(0, 0), "missing sid");
  if (draft.problems.is_broken() || draft.problems.is_unsupported()) return;
  rule.transactional = rule.protocol == RuleProtocol::kApp || inspects_transactions(rule);
  check_protocol(draft);
  check_packet_and_stream(draft);
  check_directions(draft);
  check_sizes(draft);
  check_lower_case(draft);
  draft.groups.drop_empty();
}

}  // namespace gatetape
