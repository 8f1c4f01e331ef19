// What only the whole rule shows: the contradictions for which Suricata refuses a rule, and what it takes as implied.
#include <algorithm>

#include "rules/language/rule_builder.h"

namespace gatetape {

void RuleBuilder::finish() {
  rule_.variable_count = static_cast<uint16_t>(variable_names_.size());
  if (sticky_ && !sticky_used_ && !broken_)
    context_error(sticky_where_, "nothing is looked for in {}", to_string(buffer_));
  check_identity();
  if (broken_ || unsupported_) return;
  const bool http_protocol = rule_.protocol == RuleProtocol::kHttp || rule_.protocol == RuleProtocol::kHttp1;
  rule_.http = http_protocol || inspects_http();
  check_protocol();
  check_packet_and_stream();
  check_directions();
  check_sizes();
  check_lower_case();
  drop_empty_groups();
}

bool RuleBuilder::inspects_http() const {
  return std::any_of(rule_.groups.begin(), rule_.groups.end(), [](const InspectionGroup& group) {
    return group.buffer != Buffer::kPayload && !group.elements.empty();
  });
}

void RuleBuilder::check_identity() {
  if (!has_sid_) syntax_error(line_.text.substr(0, 0), "missing sid");
}

void RuleBuilder::check_protocol() {
  if (!inspects_http() || (rule_.protocol != RuleProtocol::kUdp && rule_.protocol != RuleProtocol::kIcmp)) return;
  for (size_t i = 0; i < rule_.groups.size(); ++i) {
    if (rule_.groups[i].buffer == Buffer::kPayload) continue;
    return syntax_error(group_states_[i].where, "{} cannot be used in a rule for {}", to_string(rule_.groups[i].buffer),
                        protocol_where_);
  }
}

void RuleBuilder::check_packet_and_stream() {
  if (packet_where_.empty()) return;
  if (inspects_http()) {
    return syntax_error(packet_where_, "{} is about single packets and cannot be combined with HTTP buffers",
                        packet_where_);
  }
  if (!stream_where_.empty()) {
    syntax_error(packet_where_, "{} is about single packets and cannot be combined with {}", packet_where_,
                 stream_where_);
  }
}

// A buffer that only one direction has gives the rule its direction.
void RuleBuilder::check_directions() {
  FlowDirection implied = rule_.flow.direction;
  for (size_t i = 0; i < rule_.groups.size(); ++i) {
    const InspectionGroup& group = rule_.groups[i];
    const BufferDirections directions = buffer_directions(group.buffer);
    if (directions == kInBoth || group.elements.empty()) continue;
    const FlowDirection own = directions == kInRequest ? FlowDirection::kToServer : FlowDirection::kToClient;
    if (implied != FlowDirection::kAny && implied != own) {
      return syntax_error(group_states_[i].where, "{} is in {} only, but the rule looks at {}", to_string(group.buffer),
                          directions == kInRequest ? "requests" : "responses",
                          directions == kInRequest ? "responses" : "requests");
    }
    implied = own;
  }
  rule_.flow.direction = implied;
}

void RuleBuilder::check_sizes() {
  for (size_t i = 0; i < rule_.groups.size(); ++i) {
    for (const Element& element : rule_.groups[i].elements) {
      const auto* size = std::get_if<BufferSizeElement>(&element);
      if (size != nullptr) check_contents_fit(rule_.groups[i], group_states_[i].where, size->size);
    }
    if (rule_.groups[i].buffer != Buffer::kPayload) continue;
    for (const PacketTest& test : rule_.packet_tests) {
      if (test.field == PacketField::kPayloadSize) check_contents_fit(rule_.groups[i], packet_where_, test.test);
    }
  }
}

void RuleBuilder::check_contents_fit(const InspectionGroup& group, std::string_view where, const NumberTest& size) {
  if (size.negated) return;
  for (const Element& element : group.elements) {
    const auto* content = std::get_if<ContentElement>(&element);
    if (content == nullptr || content->negated || content->bytes.size() <= size.high) continue;
    return syntax_error(where, "a content of {} bytes cannot be in {} of at most {} bytes", content->bytes.size(),
                        to_string(group.buffer), size.high);
  }
}

// In a buffer that is always lower case, a content with upper case could never match, and nocase shows that the author
// did not know.
void RuleBuilder::check_lower_case() {
  for (size_t i = 0; i < rule_.groups.size(); ++i) {
    if (!buffer_info(rule_.groups[i].buffer).lower_case) continue;
    for (const Element& element : rule_.groups[i].elements) {
      const auto* content = std::get_if<ContentElement>(&element);
      if (content == nullptr) continue;
      const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
      if (content->nocase || std::any_of(content->bytes.begin(), content->bytes.end(), is_upper)) {
        return syntax_error(group_states_[i].where, "{} is lower case: write the content so, without nocase",
                            to_string(rule_.groups[i].buffer));
      }
    }
  }
}

}  // namespace gatetape
