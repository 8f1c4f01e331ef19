#include "rules/engine/flowbit_names.h"

namespace gatetape {

FlowbitNames& FlowbitNames::of_process() {
  static FlowbitNames names;
  return names;
}

Result<FlowbitId> FlowbitNames::id_of(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto known = ids_.find(name);
  if (known != ids_.end()) return known->second;
  if (ids_.size() == names_max_) return fail("more than {} names of flowbits: '{}' is one too many", names_max_, name);
  return ids_.emplace(name, static_cast<FlowbitId>(ids_.size())).first->second;
}

}  // namespace gatetape
