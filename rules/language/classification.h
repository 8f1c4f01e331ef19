// Suricata's standard classtypes. The keyword classtype gives a rule a category and a priority from this table.
#pragma once

#include <cstdint>
#include <string_view>

namespace gatetape {

struct Classification {
  std::string_view name;
  std::string_view description;  // EVE's alert.category
  uint8_t priority = 3;          // 1 is the most severe
};

// The standard classtype of this name; null: there is none. A rule with an unknown classtype loads with
// kUnknownClassification.
const Classification* find_classification(std::string_view name);

inline constexpr Classification kUnknownClassification{"", "Unknown Classtype", 3};

}  // namespace gatetape
