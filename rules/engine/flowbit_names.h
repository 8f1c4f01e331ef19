// Flowbits have numbers that are the same in every rule set of the process, so that a flow's bits keep their meaning
// when rules are loaded anew.
//
// Names are only ever added. Loading a rule set looks names up; matching uses the numbers alone. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "common/result.h"

namespace gatetape {

using FlowbitId = uint32_t;

class FlowbitNames {
 public:
  // ET Open uses about 1,500. A process would have to load very many different rule sets to come to the limit.
  static constexpr size_t kNamesMax = 1u << 20;

  explicit FlowbitNames(size_t names_max = kNamesMax) : names_max_(names_max) {}
  // The names that every rule set of the process shares.
  static FlowbitNames& of_process();

  // The number of this name, which is given one if it is new. Fails when it is new and there are `names_max` already.
  Result<FlowbitId> id_of(std::string_view name);

 private:
  const size_t names_max_;
  std::mutex mutex_;
  std::map<std::string, FlowbitId, std::less<>> ids_;
};

}  // namespace gatetape
