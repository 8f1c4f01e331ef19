// Where elements go: the group of a buffer and its transforms.
#include <algorithm>

#include "rules/language/rule_builder.h"

namespace gatetape {

bool RuleBuilder::matches_sticky(const InspectionGroup& group) const {
  return group.buffer == buffer_ && group.transforms == transforms_;
}

size_t RuleBuilder::group_index(std::string_view where, Buffer buffer, const std::vector<Transform>& transforms,
                                bool fresh) {
  for (size_t i = rule_.groups.size(); !fresh && i-- > 0;) {
    if (rule_.groups[i].buffer == buffer && rule_.groups[i].transforms == transforms) return i;
  }
  rule_.groups.push_back({buffer, transforms, {}});
  group_states_.push_back({{}, where});
  return rule_.groups.size() - 1;
}

void RuleBuilder::append_to_group(size_t group, Element element, uint32_t order) {
  rule_.groups[group].elements.push_back(std::move(element));
  group_states_[group].order.push_back(order);
  sticky_used_ = sticky_used_ || matches_sticky(rule_.groups[group]);
}

void RuleBuilder::append(std::string_view where, Element element) {
  const bool fresh = std::exchange(sticky_starts_group_, false) && sticky_;
  const size_t group = group_index(sticky_ ? sticky_where_ : where, buffer_, transforms_, fresh);
  append_to_group(group, std::move(element), element_count_++);
}

void RuleBuilder::append_to(std::string_view where, Buffer buffer, Element element) {
  append_to_group(group_index(where, buffer, {}, false), std::move(element), element_count_++);
}

// Without a sticky buffer, what is relative follows the element before it to that element's buffer.
void RuleBuilder::append_following(std::string_view where, Element element, bool relative) {
  const auto previous = relative && !sticky_ ? last_element([](const Element&) { return true; }) : std::nullopt;
  if (!previous) return append(where, std::move(element));
  append_to_group(previous->group, std::move(element), element_count_++);
}

void RuleBuilder::drop_empty_groups() {
  std::erase_if(rule_.groups, [](const InspectionGroup& group) { return group.elements.empty(); });
}

}  // namespace gatetape
