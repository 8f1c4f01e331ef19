#include "rules/language/option_values.h"

#include <algorithm>
#include <charconv>

namespace gatetape {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text = trimmed(text.substr(prefix.size()));
  return true;
}

// Reads a range whose bounds are not part of it.
std::optional<NumberTest> parse_exclusive_range(std::string_view low, std::string_view high, uint64_t max) {
  const auto below = parse_unsigned(trimmed(low), max), above = parse_unsigned(trimmed(high), max);
  if (!below || !above || *below >= *above || *above - *below < 2) return std::nullopt;
  return NumberTest{*below + 1, *above - 1, false};
}

// Decodes one |…| section. `text` starts after the opening bar and is moved past the closing one.
std::optional<ValueError> decode_hex(std::string_view& text, std::string& out) {
  const std::string_view section = text;
  int high = -1;
  for (size_t i = 0; i < section.size(); ++i) {
    const char c = section[i];
    if (c == '|') {
      if (high >= 0) return ValueError{section.substr(i - 1), "odd number of hex digits"};
      text.remove_prefix(i + 1);
      return std::nullopt;
    }
    if (c == ' ') continue;
    const int digit = hex_digit(c);
    if (digit < 0) return ValueError{section.substr(i), fmt::format("not a hex digit: '{}'", c)};
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<char>(high * 16 + digit));
      high = -1;
    }
  }
  return ValueError{section, "missing '|' after hex digits"};
}

}  // namespace

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view next_part(std::string_view& rest, char separator) {
  if (rest.data() == nullptr) return {};
  const size_t end = rest.find(separator);
  const std::string_view part = trimmed(rest.substr(0, end));
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return part;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (text.data() != nullptr) parts.push_back(next_part(text, separator));
  return parts;
}

std::optional<uint64_t> parse_unsigned(std::string_view text, uint64_t max) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::optional<int64_t> parse_signed(std::string_view text, int64_t max) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number > max || number < -max) return std::nullopt;
  return number;
}

std::optional<NumberTest> parse_number_test(std::string_view text, uint64_t max) {
  text = trimmed(text);
  for (const std::string_view between : {"<>", "-"}) {
    const size_t at = text.find(between);
    if (at == std::string_view::npos || at == 0) continue;
    const bool negated = consume(text, "!");
    const size_t middle = text.find(between);
    auto range = parse_exclusive_range(text.substr(0, middle), text.substr(middle + between.size()), max);
    if (range) range->negated = negated;
    return range;
  }
  const bool negated = consume(text, "!");
  const bool at_most = consume(text, "<="), at_least = !at_most && consume(text, ">=");
  const bool less = !at_most && consume(text, "<"), greater = !at_least && consume(text, ">");
  const bool compares = at_most || at_least || less || greater;
  if (!compares) consume(text, "=");
  const auto number = parse_unsigned(text, max);
  if (!number || (compares && negated)) return std::nullopt;
  if (at_most) return NumberTest{0, *number, false};
  if (at_least) return NumberTest{*number, UINT64_MAX, false};
  if (less) return *number == 0 ? std::nullopt : std::optional(NumberTest{0, *number - 1, false});
  if (greater) return *number == max ? std::nullopt : std::optional(NumberTest{*number + 1, UINT64_MAX, false});
  return NumberTest{*number, *number, negated};
}

tl::expected<std::string_view, ValueError> decode_content(std::string_view text, std::string& storage) {
  const size_t first = text.find_first_of("|\\\"");
  if (first == std::string_view::npos) return text;
  storage.assign(text.substr(0, first));
  text.remove_prefix(first);
  while (!text.empty()) {
    const char c = text.front();
    if (c == '"') return tl::unexpected(ValueError{text, "unescaped '\"' in content"});
    text.remove_prefix(1);
    if (c == '|') {
      if (auto error = decode_hex(text, storage)) return tl::unexpected(std::move(*error));
    } else if (c != '\\') {
      storage.push_back(c);
    } else {
      if (text.empty() || std::string_view(":;\\\"").find(text.front()) == std::string_view::npos) {
        const std::string_view escape(text.data() - 1, std::min<size_t>(text.size() + 1, 2));
        return tl::unexpected(ValueError{escape, fmt::format("invalid escape: {}", escape)});
      }
      storage.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  return std::string_view(storage);
}

std::string_view unescape(std::string_view text, std::string& storage) {
  if (text.find('\\') == std::string_view::npos) return text;
  storage.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    storage.push_back(text[i]);
  }
  return storage;
}

}  // namespace gatetape
