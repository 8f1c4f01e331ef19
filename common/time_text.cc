#include "common/time_text.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include "common/text_scanner.h"

namespace gatetape {

namespace {

constexpr int kYearMin = 1678;  // whole years that fit in 64 bits of nanoseconds
constexpr int kYearMax = 2261;

std::optional<int64_t> unit_ns(std::string_view unit) {
  if (unit == "ms") return kNanosecondsPerSecond / 1000;
  if (unit == "s") return kNanosecondsPerSecond;
  if (unit == "m" || unit == "min") return 60 * kNanosecondsPerSecond;
  if (unit == "h") return 3600 * kNanosecondsPerSecond;
  if (unit == "d") return 86400 * kNanosecondsPerSecond;
  if (unit == "w") return 7 * 86400 * kNanosecondsPerSecond;
  return std::nullopt;
}

Result<int64_t> parse_relative(std::string_view text, int64_t now_ns) {
  const int64_t sign = text.front() == '-' ? -1 : 1;
  TextScanner in(text.substr(1));
  int64_t result = now_ns;
  do {
    const int64_t count = in.number();
    const std::string_view name = in.word();
    const auto unit = unit_ns(name);
    if (in.failed() || !unit) {
      return fail("time '{}': a relative time is a sign and numbers with units (ms, s, m, h, d, w), as in -1h30m",
                  text);
    }
    int64_t offset;
    if (__builtin_mul_overflow(count * sign, *unit, &offset) || __builtin_add_overflow(result, offset, &result)) {
      return fail("time '{}': too far from now", text);
    }
  } while (!in.at_end());
  return result;
}

Result<int64_t> parse_epoch(std::string_view text) {
  TextScanner in(text.substr(1));
  const int64_t seconds = in.number();
  const int64_t fraction = in.fraction_ns();
  int64_t result;
  if (in.failed() || !in.at_end() || __builtin_mul_overflow(seconds, kNanosecondsPerSecond, &result) ||
      __builtin_add_overflow(result, fraction, &result)) {
    return fail("time '{}': after @ come seconds since 1970, as in @1700000000.25", text);
  }
  return result;
}

// Takes a zone (Z, +01:00 or +0100) and returns its offset from UTC in seconds.
int64_t zone_seconds(TextScanner& in) {
  if (in.accept("Zz")) return 0;
  const bool west = in.peek() == '-';
  in.expect("+-");
  const int hours = in.digits(2, 0, 23);
  in.accept(":");
  const int minutes = in.digits(2, 0, 59);
  return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

Result<int64_t> parse_calendar(std::string_view text) {
  constexpr const char* kExpected =
      "a time is RFC 3339 (2026-11-20T10:00:00Z), a date, relative (-2h), @SECONDS or 'now'";
  TextScanner in(text);
  const int year = in.digits(4, kYearMin, kYearMax);
  in.expect("-");
  const int month = in.digits(2, 1, 12);
  in.expect("-");
  const int day = in.digits(2, 1, 31);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (in.failed()) return fail("time '{}': {}", text, kExpected);
  if (!date.ok()) return fail("time '{}': there is no such day", text);
  const int64_t midnight = std::chrono::sys_days(date).time_since_epoch().count() * int64_t{86400};
  if (in.at_end()) return midnight * kNanosecondsPerSecond;

  in.expect("Tt ");
  const int hour = in.digits(2, 0, 23);
  in.expect(":");
  const int minute = in.digits(2, 0, 59);
  in.expect(":");
  const int second = in.digits(2, 0, 60);
  const int64_t fraction = in.fraction_ns();
  if (in.failed()) return fail("time '{}': {}", text, kExpected);
  if (in.at_end()) return fail("time '{}': the zone is missing: add Z for UTC, or an offset such as +01:00", text);
  const int64_t zone = zone_seconds(in);
  if (in.failed() || !in.at_end()) return fail("time '{}': {}", text, kExpected);
  return (midnight + hour * 3600 + minute * 60 + second - zone) * kNanosecondsPerSecond + fraction;
}

char* put_digits(char* at, unsigned value, int count) {
  for (int i = count - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
  return at + count;
}

// Formats "2026-11-20T10:00:00." and the first `digits` digits of the fraction.
void append_calendar(std::string& out, int64_t timestamp_ns, int digits) {
  const auto since_epoch = std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(timestamp_ns));
  const auto days = std::chrono::floor<std::chrono::days>(since_epoch);
  const std::chrono::year_month_day date(days);
  const auto ns_of_day = static_cast<uint64_t>((since_epoch - days).count());
  const auto second_of_day = static_cast<unsigned>(ns_of_day / kNanosecondsPerSecond);
  auto fraction = static_cast<unsigned>(ns_of_day % kNanosecondsPerSecond);
  for (int i = digits; i < 9; ++i) fraction /= 10;

  std::array<char, 32> text;
  char* at = put_digits(text.data(), static_cast<unsigned>(static_cast<int>(date.year())), 4);
  *at++ = '-';
  at = put_digits(at, static_cast<unsigned>(date.month()), 2);
  *at++ = '-';
  at = put_digits(at, static_cast<unsigned>(date.day()), 2);
  *at++ = 'T';
  at = put_digits(at, second_of_day / 3600, 2);
  *at++ = ':';
  at = put_digits(at, second_of_day / 60 % 60, 2);
  *at++ = ':';
  at = put_digits(at, second_of_day % 60, 2);
  *at++ = '.';
  at = put_digits(at, fraction, digits);
  out.append(text.data(), at);
}

}  // namespace

Result<int64_t> parse_time(std::string_view text, int64_t now_ns) {
  if (text == "now") return now_ns;
  if (text.size() > 1 && (text.front() == '-' || text.front() == '+')) return parse_relative(text, now_ns);
  if (text.size() > 1 && text.front() == '@') return parse_epoch(text);
  return parse_calendar(text);
}

std::string format_time(int64_t timestamp_ns) {
  std::string out;
  append_calendar(out, timestamp_ns, 9);
  out.push_back('Z');
  return out;
}

void append_eve_time(std::string& out, int64_t timestamp_ns) {
  append_calendar(out, timestamp_ns, 6);
  out.append("+0000");
}

Result<uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (error != std::errc() || !std::isfinite(number) || number < 0) {
    return fail("size '{}': a size is a number with an optional unit, as in 4096, 64M, 10G, 1.5T", text);
  }
  int power = 0;
  if (!unit.empty()) {
    const size_t at = kUnits.find(static_cast<char>(unit.front() & ~0x20));
    const std::string_view tail = unit.substr(1);
    if (at != std::string_view::npos && (tail.empty() || tail == "B" || tail == "iB")) {
      power = static_cast<int>(at) + 1;
    } else if (unit != "B") {
      return fail("size '{}': unknown unit '{}': use K, M, G or T (powers of 1024)", text, unit);
    }
  }
  const double bytes = std::ldexp(number, 10 * power);
  if (bytes >= 0x1p63) return fail("size '{}': too large", text);
  return static_cast<uint64_t>(bytes);
}

std::string format_size(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  double value = static_cast<double>(bytes) / 1024;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace gatetape
