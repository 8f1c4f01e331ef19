// Small readers for the values of options: numbers, comparisons, comma-separated lists, quoted contents. They are pure
// functions, and the views that they return point into their arguments.
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

// The text without white space at both ends.
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool equal_without_case(std::string_view a, std::string_view b);

// Takes the part before the first separator off `rest` and returns it trimmed. After the last part, `rest` has
// data() == nullptr; then this returns the same.
std::string_view next_part(std::string_view& rest, char separator);
std::vector<std::string_view> split(std::string_view text, char separator);

// Reads a decimal number, or a hexadecimal one after 0x, of at most `max`.
std::optional<uint64_t> parse_unsigned(std::string_view text, uint64_t max = UINT64_MAX);
// Reads a decimal number with an optional sign in [-max, max].
std::optional<int64_t> parse_signed(std::string_view text, int64_t max);

// Reads "5", "=5", "!5", "!=5", "<5", "<=5", ">5", ">=5", "1<>5", "1-5" and "!1-5". The bounds of a range are not part
// of it.
std::optional<NumberTest> parse_number_test(std::string_view text, uint64_t max);

// An error in a value; `where` points into the value.
struct ValueError {
  std::string_view where;
  std::string message;
};

// Decodes the text between the quotes of a content. Writes to `storage`, and returns a view of it, only if there are
// escapes or |hex|.
tl::expected<std::string_view, ValueError> decode_content(std::string_view text, std::string& storage);

// Replaces each backslash and the character after it by that character. Writes to `storage`, and returns a view of it,
// only if there is a backslash.
std::string_view unescape(std::string_view text, std::string& storage);

}  // namespace gatetape
