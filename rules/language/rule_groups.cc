#include "rules/language/rule_groups.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gatetape {
namespace {

bool is_content(const Element& element) {
  return std::holds_alternative<ContentElement>(element);
}

}  // namespace

void GroupBuilder::select(Buffer buffer, std::string_view where) {
  selected_ = true;
  used_ = false;
  where_ = where;
  buffer_ = buffer;
  transforms_.clear();
  starts_group_ = buffer_info(buffer).several;
}

void GroupBuilder::deselect() {
  selected_ = false;
  buffer_ = Buffer::kPayload;
  transforms_.clear();
}

bool GroupBuilder::can_transform(Transform transform) const {
  // After elements, a transform opens a second group on the same buffer; after transformed elements it is too late. The
  // payload takes no transforms, so a buffer must be selected.
  return contains(buffer_info(buffer_).transforms, transform) && (!used_ || transforms_.empty());
}

void GroupBuilder::add_transform(Transform transform) {
  transforms_.push_back(transform);
  used_ = false;
}

bool GroupBuilder::is_selected(const InspectionGroup& group) const {
  return group.buffer == buffer_ && group.transforms == transforms_;
}

size_t GroupBuilder::group_for(std::string_view where, Buffer buffer, const std::vector<Transform>& transforms,
                               bool fresh) {
  for (size_t i = groups_.size(); !fresh && i-- > 0;) {
    if (groups_[i].buffer == buffer && groups_[i].transforms == transforms) return i;
  }
  groups_.push_back({buffer, transforms, {}});
  states_.push_back({{}, where});
  return groups_.size() - 1;
}

void GroupBuilder::append_to_group(size_t group, Element element, uint32_t order) {
  groups_[group].elements.push_back(std::move(element));
  states_[group].order.push_back(order);
  used_ = used_ || is_selected(groups_[group]);
}

void GroupBuilder::append(std::string_view where, Element element) {
  const bool fresh = std::exchange(starts_group_, false) && selected_;
  const size_t group = group_for(selected_ ? where_ : where, buffer_, transforms_, fresh);
  append_to_group(group, std::move(element), element_count_++);
}

void GroupBuilder::append_to(Buffer buffer, std::string_view where, Element element) {
  append_to_group(group_for(where, buffer, {}, false), std::move(element), element_count_++);
}

void GroupBuilder::append_relative(std::string_view where, Element element) {
  const auto previous = selected_ ? std::nullopt : find_last([](const Element&) { return true; });
  if (!previous) return append(where, std::move(element));
  append_to_group(previous->group, std::move(element), element_count_++);
}

bool GroupBuilder::move_last_content(Buffer target, std::string_view where) {
  const auto payload = std::find_if(groups_.begin(), groups_.end(),
                                    [](const InspectionGroup& group) { return group.buffer == Buffer::kPayload; });
  if (payload == groups_.end()) return false;
  const auto found = std::find_if(payload->elements.rbegin(), payload->elements.rend(), is_content);
  if (found == payload->elements.rend()) return false;
  const auto index = std::distance(found, payload->elements.rend()) - 1;
  std::vector<uint32_t>& orders = states_[static_cast<size_t>(payload - groups_.begin())].order;
  Element content = std::move(payload->elements[static_cast<size_t>(index)]);
  const uint32_t order = orders[static_cast<size_t>(index)];
  payload->elements.erase(payload->elements.begin() + index);
  orders.erase(orders.begin() + index);
  append_to_group(group_for(where, target, {}, false), std::move(content), order);
  return true;
}

ContentElement* GroupBuilder::last_content() {
  Element* element = last_element(is_content);
  return element == nullptr ? nullptr : &std::get<ContentElement>(*element);
}

void GroupBuilder::drop_empty() {
  std::erase_if(groups_, [](const InspectionGroup& group) { return group.elements.empty(); });
}

}  // namespace gatetape
