// Builds the inspection groups of one rule: which buffer is selected, and to which group each element goes.
//
// The language writes elements in one line and lets sticky buffers, old-style modifiers and relative elements say where
// they belong; this class keeps that book. Elements without a selected buffer go to the payload. It writes into the
// rule's own vector of groups.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "rules/language/rule.h"

namespace gatetape {

class GroupBuilder {
 public:
  explicit GroupBuilder(std::vector<InspectionGroup>& groups) : groups_(groups) {}

  // ---- The selected buffer ----

  // A sticky buffer: `where` is its keyword in the rule. Transforms that follow belong to it.
  void select(Buffer buffer, std::string_view where);
  // Back to the payload.
  void deselect();
  bool selects() const { return selected_; }
  Buffer buffer() const { return buffer_; }  // the payload when none is selected
  const std::vector<Transform>& transforms() const { return transforms_; }
  // A sticky buffer in which nothing has been looked for yet.
  bool selects_unused() const { return selected_ && !used_; }
  std::string_view selected_where() const { return where_; }

  // A transform for the selected buffer. False: there is none that takes it, or it comes too late.
  bool can_transform(Transform transform) const;
  void add_transform(Transform transform);

  // ---- Elements ----

  // Adds an element to the selected buffer; `where` is the option that it comes from.
  void append(std::string_view where, Element element);
  // Adds a relative element: without a selected buffer it follows the element before it to that element's buffer.
  void append_relative(std::string_view where, Element element);
  // Adds an element to this buffer, whatever is selected.
  void append_to(Buffer buffer, std::string_view where, Element element);
  // Moves the payload's last content to another buffer; it keeps its place in the order written. False: there is none.
  bool move_last_content(Buffer target, std::string_view where);

  // The element written last for which `wanted` holds, in the selected buffer or, when none is selected, in any; null:
  // there is none. It stays valid until an element is added.
  template <class Wanted>
  Element* last_element(Wanted wanted);
  ContentElement* last_content();

  // The keyword that first used this group.
  std::string_view where(size_t group) const { return states_[group].where; }

  // Removes groups whose elements were all moved elsewhere. No other member may be called after it.
  void drop_empty();

 private:
  struct GroupState {
    std::vector<uint32_t> order;  // by element: the order in which it was written
    std::string_view where;
  };
  struct ElementPlace {
    size_t group = 0, element = 0;
  };

  size_t group_for(std::string_view where, Buffer buffer, const std::vector<Transform>& transforms, bool fresh);
  void append_to_group(size_t group, Element element, uint32_t order);
  bool is_selected(const InspectionGroup& group) const;
  template <class Wanted>
  std::optional<ElementPlace> find_last(Wanted wanted) const;

  std::vector<InspectionGroup>& groups_;
  std::vector<GroupState> states_;  // beside groups_
  uint32_t element_count_ = 0;

  bool selected_ = false;
  bool used_ = false;          // by an element
  bool starts_group_ = false;  // the next element asks for another instance of the buffer
  Buffer buffer_ = Buffer::kPayload;
  std::vector<Transform> transforms_;
  std::string_view where_;
};

template <class Wanted>
std::optional<GroupBuilder::ElementPlace> GroupBuilder::find_last(Wanted wanted) const {
  std::optional<ElementPlace> last;
  uint32_t latest = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const InspectionGroup& group = groups_[g];
    if (selected_ && !is_selected(group)) continue;
    for (size_t e = group.elements.size(); e-- > 0;) {
      if (!wanted(group.elements[e])) continue;
      const uint32_t order = states_[g].order[e];
      if (!last || order > latest) {
        last = ElementPlace{g, e};
        latest = order;
      }
      break;
    }
  }
  return last;
}

template <class Wanted>
Element* GroupBuilder::last_element(Wanted wanted) {
  const auto place = find_last(wanted);
  return place ? &groups_[place->group].elements[place->element] : nullptr;
}

}  // namespace gatetape
