// Numbers as people write them. Pure functions; any thread may call them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace gatetape {

// Formats a number with separators: "1,234,567".
inline std::string format_count(uint64_t count) {
  std::string text = fmt::to_string(count);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

// Formats a number of things: "1 packet", "0 packets", "12,000 packets".
inline std::string counted(uint64_t count, std::string_view one, std::string_view several) {
  return fmt::format("{} {}", format_count(count), count == 1 ? one : several);
}

}  // namespace gatetape
