// Small readers for the values of options: numbers, comparisons, comma-separated lists, quoted contents. Pure
// functions; what they return points into their argument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "rules/language/rule.h"

namespace gatetape {

inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
inline bool is_space(char c) {
  return is_blank(c) || (c >= '\n' && c <= '\r');
}

// Without white space at both ends.
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool equal_without_case(std::string_view a, std::string_view b);

// The part before the first `separator`, trimmed; `rest` becomes what follows it. An empty view with data() == nullptr
// when nothing is left.
std::string_view next_part(std::string_view& rest, char separator);
std::vector<std::string_view> split(std::string_view text, char separator);

// Decimal, or hexadecimal after 0x; at most `max`.
std::optional<uint64_t> parse_unsigned(std::string_view text, uint64_t max = UINT64_MAX);
// Decimal with an optional sign, within [-max, max].
std::optional<int64_t> parse_signed(std::string_view text, int64_t max);

// "5", "=5", "!5", "!=5", "<5", "<=5", ">5", ">=5", "1<>5" and "1-5" (both exclusive), "!1-5".
std::optional<NumberTest> parse_number_test(std::string_view text, uint64_t max);

// What is wrong with a value, and where: `where` points into it.
struct ValueError {
  std::string_view where;
  std::string message;
};

// A content's text between its quotes, with |hex| and escapes; `storage` is written only when they occur.
tl::expected<std::string_view, ValueError> decode_content(std::string_view text, std::string& storage);

// A message's text: a backslash stands for the character after it.
std::string_view unescape(std::string_view text, std::string& storage);

}  // namespace gatetape
