// Takes parts off the front of a text, as the parsers of times do. One thread.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/clock.h"

namespace gatetape {

inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes parts off the front of a text. A part that is missing makes failed() true for good.
class TextScanner {
 public:
  explicit TextScanner(std::string_view text) : rest_(text) {}
  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }  // bytes
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

  bool accept(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(std::string_view any_of) { failed_ |= !accept(any_of); }

  int digits(size_t count, int low, int high) {
    int value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!is_digit(peek())) {
        failed_ = true;
        return low;
      }
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    failed_ |= value < low || value > high;
    return value;
  }

  int64_t number() {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    failed_ |= error != std::errc() || !is_digit(peek());
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }

  // Takes a fraction of a second such as ".5" and returns nanoseconds, or 0 when there is none.
  int64_t fraction_ns(std::string_view points = ".") {
    if (!accept(points)) return 0;
    int64_t ns = 0;
    int digits_seen = 0;
    for (; is_digit(peek()); rest_.remove_prefix(1), ++digits_seen) {
      if (digits_seen < 9) ns = ns * 10 + (rest_.front() - '0');
    }
    failed_ |= digits_seen == 0;
    for (; digits_seen < 9; ++digits_seen) ns *= 10;
    return ns;
  }

  // Takes lower-case letters.
  std::string_view word() {
    size_t n = 0;
    while (n < rest_.size() && rest_[n] >= 'a' && rest_[n] <= 'z') ++n;
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace gatetape
