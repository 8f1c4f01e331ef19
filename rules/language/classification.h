// Suricata's standard classtypes: what `classtype` gives a rule by way of category and priority.
#pragma once

#include <cstdint>
#include <string_view>

namespace gatetape {

struct Classification {
  std::string_view name;
  std::string_view description;  // EVE's alert.category
  uint8_t priority = 3;          // 1 is the most severe
};

// nullptr: not one of the standard ones. Such a rule is loaded all the same, as kUnknownClassification says.
const Classification* find_classification(std::string_view name);

inline constexpr Classification kUnknownClassification{"", "Unknown Classtype", 3};

}  // namespace gatetape
