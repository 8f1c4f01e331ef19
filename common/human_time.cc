#include "common/human_time.h"

#include <ctime>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "common/text_scanner.h"
#include "common/time_text.h"

namespace gatetape {

const char* const kHumanTimeExamples =
    "22:48, '2026-11-20 22:48:25', yesterday, 2h, 2026-11-20T22:48:25Z, 20/Nov/2026:22:48:25 +0000, @1795168800";

namespace {

constexpr int64_t kDaySeconds = 86400;
constexpr int kYearMin = 1678;  // whole years that fit in 64 bits of nanoseconds
constexpr int kYearMax = 2261;

constexpr std::array<std::string_view, 12> kMonths = {"january",   "february", "march",    "april",
                                                      "may",       "june",     "july",     "august",
                                                      "september", "october",  "november", "december"};
constexpr std::array<std::string_view, 7> kWeekdays = {"monday", "tuesday",  "wednesday", "thursday",
                                                       "friday", "saturday", "sunday"};

bool is_letter(char c) {
  return c >= 'a' && c <= 'z';
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

// The place of a name, or of its beginning of three letters or more.
template <size_t n>
std::optional<int> find_name(const std::array<std::string_view, n>& names, std::string_view word) {
  for (size_t i = 0; i < n && word.size() >= 3; ++i) {
    if (names[i].starts_with(word)) return static_cast<int>(i);
  }
  return std::nullopt;
}

// ---------------------------------------------------------------- days and zones

using Days = int64_t;  // since 1970-01-01

std::optional<Days> days_of(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || year < kYearMin || year > kYearMax) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

int64_t floor_seconds(int64_t ns) {
  const int64_t seconds = ns / kNanosecondsPerSecond;
  return seconds - (ns % kNanosecondsPerSecond < 0 ? 1 : 0);
}

// How far the machine's zone is ahead of UTC at that instant.
int64_t local_offset(int64_t seconds) {
  tm broken{};
  const time_t at = seconds;
  return localtime_r(&at, &broken) == nullptr ? 0 : broken.tm_gmtoff;
}

Days day_of(int64_t seconds) {
  return seconds / kDaySeconds - (seconds % kDaySeconds < 0 ? 1 : 0);
}

// The instant at which local clocks show `shown`, in seconds since 1970 as if it were UTC; nothing when none does.
std::optional<int64_t> instant_of_local(int64_t shown, WhenTwice twice) {
  std::optional<int64_t> found;
  for (const int64_t near : {shown - kDaySeconds, shown + kDaySeconds}) {
    const int64_t instant = shown - local_offset(near);
    if (instant + local_offset(instant) != shown) continue;
    if (!found) found = instant;
    found = twice == WhenTwice::kFirst ? std::min(*found, instant) : std::max(*found, instant);
  }
  return found;
}

// ---------------------------------------------------------------- the parts of a written time

struct WrittenTime {
  std::optional<int> year, month, day;
  std::optional<Days> near_day;  // today, yesterday: in the machine's zone
  std::optional<int64_t> clock;  // seconds of the day
  int64_t fraction_ns = 0;
  std::optional<int64_t> zone;  // seconds ahead of UTC
  bool iso = false;             // a T stands between date and time
};

class Reader {
 public:
  Reader(std::string_view lowered_text, int64_t now_ns) : text_(lowered_text), in_(lowered_text), now_ns_(now_ns) {}

  // Nothing when a part is not understood, or stands twice.
  std::optional<WrittenTime> read() {
    for (skip(); !in_.at_end() && !failed(); skip()) {
      if (is_digit(in_.peek())) {
        number();
      } else if (is_letter(in_.peek())) {
        word();
      } else {
        zone_offset();
      }
    }
    const bool date = time_.month || time_.near_day;
    const bool whole = time_.month.has_value() == time_.day.has_value() && (time_.month || !time_.year);
    const bool any = date || time_.clock;
    if (failed() || !any || !whole || (time_.month && time_.near_day)) return std::nullopt;
    return time_;
  }

 private:
  bool failed() const { return failed_ || in_.failed(); }
  void skip() {
    while (in_.accept(" \t,[]")) {
    }
  }
  template <class T>
  void set(std::optional<T>& part, T value) {
    failed_ |= part.has_value();
    part = value;
  }

  void number() {
    const std::string_view rest = text_.substr(text_.size() - in_.left());
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const char next = digits < rest.size() ? rest[digits] : '\0';
    if (digits == 4 && (next == '-' || next == '/')) {
      numeric_date(next);
    } else if (digits == 4) {
      set(time_.year, in_.digits(4, kYearMin, kYearMax));
    } else if (digits <= 2 && next == ':') {
      clock(digits);
    } else if (digits <= 2) {
      set(time_.day, in_.digits(digits, 1, 31));
      if (!in_.accept("/-")) return;
      month_name();
      in_.expect("/-");
      set(time_.year, in_.digits(4, kYearMin, kYearMax));
      in_.accept(":");
    } else {
      failed_ = true;
    }
  }

  void numeric_date(char separator) {
    set(time_.year, in_.digits(4, kYearMin, kYearMax));
    in_.expect({&separator, 1});
    set(time_.month, in_.digits(2, 1, 12));
    in_.expect({&separator, 1});
    set(time_.day, in_.digits(2, 1, 31));
    time_.iso = in_.accept("t");
    if (!is_digit(in_.peek())) failed_ |= time_.iso;
  }

  void clock(size_t hour_digits) {
    const int hour = in_.digits(hour_digits, 0, 23);
    in_.expect(":");
    const int minute = in_.digits(2, 0, 59);
    int second = 0;
    if (in_.accept(":")) {
      second = in_.digits(2, 0, 60);
      time_.fraction_ns = in_.fraction_ns(".,");
    }
    set(time_.clock, int64_t{hour} * 3600 + minute * 60 + second);
    failed_ |= is_digit(in_.peek());
  }

  void month_name() {
    const auto month = find_name(kMonths, in_.word());
    failed_ |= !month;
    if (month) set(time_.month, *month + 1);
  }

  void word() {
    const std::string_view name = in_.word();
    const int64_t now = floor_seconds(now_ns_);
    if (name == "today" || name == "yesterday") {
      set(time_.near_day, day_of(now + local_offset(now)) - (name == "today" ? 0 : 1));
    } else if (name == "z" || name == "utc" || name == "gmt") {
      set(time_.zone, int64_t{0});
    } else if (const auto month = find_name(kMonths, name)) {
      set(time_.month, *month + 1);
    } else {
      failed_ |= !find_name(kWeekdays, name);
    }
  }

  // +01:00, +0100 or +01
  void zone_offset() {
    const bool west = in_.peek() == '-';
    in_.expect("+-");
    const int hours = in_.digits(2, 0, 23);
    int minutes = 0;
    if (in_.accept(":") || is_digit(in_.peek())) minutes = in_.digits(2, 0, 59);
    failed_ |= !time_.clock || is_digit(in_.peek());
    set(time_.zone, int64_t{west ? -1 : 1} * (hours * 3600 + minutes * 60));
  }

  std::string_view text_;
  TextScanner in_;
  int64_t now_ns_;
  WrittenTime time_;
  bool failed_ = false;
};

// ---------------------------------------------------------------- from parts to an instant

class Resolver {
 public:
  Resolver(std::string_view text, const WrittenTime& time, int64_t now_ns, WhenTwice twice)
      : text_(text), time_(time), now_ns_(now_ns), twice_(twice) {
    result_.clock_only = !time.month && !time.near_day;
    const bool date_alone = time.month && !time.clock;
    if (!time.zone && date_alone) time_.zone = 0;
    result_.local = !time_.zone;
  }

  Result<HumanTime> resolve() {
    if (time_.iso && !time_.zone) {
      return fail(
          "time '{}': the zone is missing: add Z for UTC, or an offset such as +01:00; with a space instead of the T "
          "the "
          "time is local",
          text_);
    }
    if (result_.clock_only) return of_last_day();
    if (time_.near_day) return at(*time_.near_day);
    if (time_.year) return of_year(*time_.year);
    return of_last_year();
  }

 private:
  Result<HumanTime> at(Days day) {
    const int64_t shown = day * kDaySeconds + time_.clock.value_or(0);
    std::optional<int64_t> seconds = shown - time_.zone.value_or(0);
    if (!time_.zone) seconds = instant_of_local(shown, twice_);
    if (!seconds) return fail("time '{}': there is no such local time: clocks are set forward there", text_);
    int64_t ns;
    if (__builtin_mul_overflow(*seconds, kNanosecondsPerSecond, &ns) ||
        __builtin_add_overflow(ns, time_.fraction_ns, &ns)) {
      return fail("time '{}': years are from {} to {}", text_, kYearMin, kYearMax);
    }
    result_.ns = ns;
    return result_;
  }

  Result<HumanTime> of_year(int year) {
    const auto day = days_of(year, *time_.month, *time_.day);
    if (!day) return fail("time '{}': there is no such day", text_);
    return at(*day);
  }

  int64_t now_as_shown() const {
    const int64_t now = floor_seconds(now_ns_);
    return now + (time_.zone ? *time_.zone : local_offset(now));
  }

  Result<HumanTime> of_last_day() {
    const Days today = day_of(now_as_shown());
    Result<HumanTime> time = at(today);
    return time && time->ns > now_ns_ ? at(today - 1) : time;
  }

  // A day without a year. The 29th of February may be eight years back.
  Result<HumanTime> of_last_year() {
    const std::chrono::year_month_day today{std::chrono::sys_days(std::chrono::days(day_of(now_as_shown())))};
    for (int back = 0; back <= 8; ++back) {
      Result<HumanTime> time = of_year(static_cast<int>(today.year()) - back);
      if (time && time->ns <= now_ns_) return time;
    }
    return fail("time '{}': there is no such day", text_);
  }

  std::string_view text_;
  WrittenTime time_;
  int64_t now_ns_;
  WhenTwice twice_;
  HumanTime result_;
};

// ---------------------------------------------------------------- before and after now

std::string_view short_unit(std::string_view word) {
  struct Unit {
    std::string_view word, unit;
  };
  static constexpr Unit kUnits[] = {
      {"millisecond", "ms"}, {"sec", "s"}, {"second", "s"}, {"minute", "m"}, {"hr", "h"},
      {"hour", "h"},         {"day", "d"}, {"week", "w"},   {"mins", "m"},   {"secs", "s"},
  };
  for (const Unit& unit : kUnits) {
    if (word == unit.word || (word.ends_with('s') && word.substr(0, word.size() - 1) == unit.word)) return unit.unit;
  }
  return word;
}

// "1 hour 30 minutes ago" as "-1h30m", which parse_time() understands; nothing for what does not look like it.
std::optional<std::string> relative_of(std::string_view text) {
  std::string out = text.starts_with('+') ? "+" : "-";
  const bool sign = text.starts_with('+') || text.starts_with('-');
  TextScanner in(text.substr(sign ? 1 : 0));
  bool ago = false, any = false;
  const auto skip = [&] {
    while (in.accept(" ")) {
    }
  };
  for (skip(); !in.at_end(); skip()) {
    if (ago) return std::nullopt;
    if (any && !is_digit(in.peek())) {
      ago = in.word() == "ago";
      if (!ago || sign) return std::nullopt;
      continue;
    }
    const int64_t count = in.number();
    skip();
    const std::string_view unit = short_unit(in.word());
    if (in.failed() || unit.empty()) return std::nullopt;
    out += fmt::format("{}{}", count, unit);
    any = true;
  }
  return any ? std::optional(out) : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<HumanTime> parse_human_time(std::string_view text, int64_t now_ns, WhenTwice twice) {
  const std::string plain = lowered(trimmed(text));
  if (plain == "now" || plain.starts_with('@')) {
    Result<int64_t> time = parse_time(plain, now_ns);
    if (!time) return pass_on(time);
    return HumanTime{.ns = *time};
  }
  if (const auto written = Reader(plain, now_ns).read()) return Resolver(text, *written, now_ns, twice).resolve();
  if (const auto relative = relative_of(plain)) {
    const Result<int64_t> time = parse_time(*relative, now_ns);
    if (time) return HumanTime{.ns = *time};
  }
  return fail("time '{}' is not understood. Some that are: {}", text, kHumanTimeExamples);
}

std::string local_zone_text(int64_t ns) {
  const time_t at = floor_seconds(ns);
  tm broken{};
  if (localtime_r(&at, &broken) == nullptr) return "UTC";
  const long minutes = std::abs(broken.tm_gmtoff) / 60;
  const std::string offset =
      fmt::format("UTC{}{:02}:{:02}", broken.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
  const std::string_view name = broken.tm_zone == nullptr ? "" : broken.tm_zone;
  if (broken.tm_gmtoff == 0) return "UTC";
  return name.empty() || !is_letter(lowered(name)[0]) ? offset : fmt::format("{}, {}", name, offset);
}

}  // namespace gatetape
