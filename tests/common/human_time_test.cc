#include "common/human_time.h"

#include <stdlib.h>
#include <time.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <optional>
#include <random>

#include "common/time_text.h"

using namespace gatetape;

namespace {

// The machine's zone while it lives.
class Zone {
 public:
  explicit Zone(const std::string& name) {
    setenv("TZ", name.c_str(), 1);
    tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  ~Zone() {
    unsetenv("TZ");
    tzset();
  }
};

// New York's and Berlin's rules, written out, so that no database of zones is needed.
const char* const kNewYork = "EST5EDT,M3.2.0,M11.1.0";
const char* const kBerlin = "CET-1CEST,M3.5.0,M10.5.0/3";
const char* const kKolkata = "IST-5:30";

int64_t utc(const char* text) {
  return *parse_time(text, 0);
}
const int64_t kNow = utc("2026-11-27T15:00:00Z");  // a Friday; 16:00 in Berlin, 10:00 in New York

std::string read(const char* text, int64_t now = kNow, WhenTwice twice = WhenTwice::kFirst) {
  const Result<HumanTime> time = parse_human_time(text, now, twice);
  return time ? format_time(time->ns) : time.error().message;
}

// The instant that date(1) reads from the text, in nanoseconds; nothing when it does not understand it.
std::optional<int64_t> date_says(const std::string& zone, const std::string& text) {
  const std::string command = "TZ='" + zone + "' LC_ALL=C date -d '" + text + "' +%s%N 2>/dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 64> line{};
  const bool any = std::fgets(line.data(), line.size(), pipe) != nullptr;
  pclose(pipe);
  if (!any) return std::nullopt;
  return std::strtoll(line.data(), nullptr, 10);
}

}  // namespace

TEST_CASE("times as people type them and other programs print them") {
  const Zone zone(kBerlin);
  struct Case {
    const char *text, *expected;
  };
  for (const Case& right : {
           // local
           Case{"2026-11-20 22:48:25", "2026-11-20T21:48:25.000000000Z"},         // tcpdump -tttt
           Case{"2026-11-20 22:48:25.123456", "2026-11-20T21:48:25.123456000Z"},  // the same
           Case{"2026-11-20 22:48", "2026-11-20T21:48:00.000000000Z"},
           Case{"2026/11/20 22:48:25", "2026-11-20T21:48:25.000000000Z"},  // nginx's error log
           Case{"2026-07-20 22:48:25", "2026-07-20T20:48:25.000000000Z"},  // summer
           Case{"Nov 27 10:00:00", "2026-11-27T09:00:00.000000000Z"},      // journalctl
           Case{"nov 27 10:00:00.25", "2026-11-27T09:00:00.250000000Z"},
           Case{"Nov  7 10:00:00", "2026-11-07T09:00:00.000000000Z"},
           Case{"Nov 28 10:00:00", "2025-11-28T09:00:00.000000000Z"},  // not yet in this year
           Case{"Feb 29 00:00", "2024-02-28T23:00:00.000000000Z"},
           Case{"27 November 2026 10:00", "2026-11-27T09:00:00.000000000Z"},
           Case{"22:48", "2026-11-26T21:48:00.000000000Z"},  // not yet today
           Case{"15:59:59,5", "2026-11-27T14:59:59.500000000Z"},
           Case{"16:00", "2026-11-27T15:00:00.000000000Z"},
           Case{"16:00:00.000000001", "2026-11-26T15:00:00.000000001Z"},
           Case{"9:05", "2026-11-27T08:05:00.000000000Z"},
           Case{"today", "2026-11-26T23:00:00.000000000Z"},
           Case{"yesterday", "2026-11-25T23:00:00.000000000Z"},
           Case{" Yesterday 22:48", "2026-11-26T21:48:00.000000000Z"},
           Case{"22:48 yesterday", "2026-11-26T21:48:00.000000000Z"},
           // with a zone
           Case{"27/Nov/2026:10:00:00 +0000", "2026-11-27T10:00:00.000000000Z"},    // nginx's access log
           Case{"[27/Nov/2026:10:00:00 -0730]", "2026-11-27T17:30:00.000000000Z"},  // with its brackets
           Case{"2026-11-20T10:00:00.123456+0000", "2026-11-20T10:00:00.123456000Z"},
           Case{"2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000000000Z"},
           Case{"2026-11-20t11:00:00+01:00", "2026-11-20T10:00:00.000000000Z"},
           Case{"2026-11-20 11:00:00+01", "2026-11-20T10:00:00.000000000Z"},
           Case{"Fri 2026-11-20 10:00:00 UTC", "2026-11-20T10:00:00.000000000Z"},
           Case{"Fri, 20 Nov 2026 10:00:00 GMT", "2026-11-20T10:00:00.000000000Z"},
           Case{"Fri Nov 20 10:00:00 UTC 2026", "2026-11-20T10:00:00.000000000Z"},
           Case{"14:00Z", "2026-11-27T14:00:00.000000000Z"},
           Case{"20:00 +05:30", "2026-11-27T14:30:00.000000000Z"},
           Case{"yesterday 10:00Z", "2026-11-26T10:00:00.000000000Z"},
           // a date alone is UTC's
           Case{"2026-11-20", "2026-11-20T00:00:00.000000000Z"},
           Case{"Nov 20", "2026-11-20T00:00:00.000000000Z"},
           Case{"2024-02-29", "2024-02-29T00:00:00.000000000Z"},
           // before and after now
           Case{"now", "2026-11-27T15:00:00.000000000Z"},
           Case{"2h", "2026-11-27T13:00:00.000000000Z"},
           Case{"-2h", "2026-11-27T13:00:00.000000000Z"},
           Case{"2h ago", "2026-11-27T13:00:00.000000000Z"},
           Case{"2 hours ago", "2026-11-27T13:00:00.000000000Z"},
           Case{"1 hour 30 minutes ago", "2026-11-27T13:30:00.000000000Z"},
           Case{"1h30m", "2026-11-27T13:30:00.000000000Z"},
           Case{"250ms", "2026-11-27T14:59:59.750000000Z"},
           Case{"+1d", "2026-11-28T15:00:00.000000000Z"},
           Case{"1 week", "2026-11-20T15:00:00.000000000Z"},
           Case{"@1795168800.25", "2026-11-20T10:00:00.250000000Z"},
       }) {
    INFO(right.text);
    CHECK(read(right.text) == right.expected);
  }
}

TEST_CASE("what is no time is refused, with examples of what is") {
  const Zone zone(kBerlin);
  for (const char* wrong : {"",
                            " ",
                            "noon",
                            "tomorrow-ish",
                            "22",
                            "2248",
                            "22:4",
                            "22:488",
                            "25:00",
                            "22:60",
                            "22:48:61",
                            "2026",
                            "2026-11",
                            "2026-13-01",
                            "20261120",
                            "2026-11-201",
                            "2026-11-20T",
                            "2026-11-20 22",
                            "Nov",
                            "Nov 2026",
                            "27",
                            "27/Nov",
                            "27/Now/2026:10:00:00",
                            "27/Nov/2026:10:00:00 +00000",
                            "today 2026-11-20",
                            "today yesterday",
                            "10:00 11:00",
                            "10:00 Z +01",
                            "10:00 +2500",
                            "+01:00",
                            "2h 10:00",
                            "-2",
                            "2 hours before",
                            "-2h ago",
                            "ago",
                            "2y",
                            "99999999999999999999h",
                            "-999999999999w",
                            "@",
                            "@x",
                            "@99999999999999",
                            "1600-01-01",
                            "2300-01-01",
                            "2026-11-20T10:00Zx",
                            "\x80\xff",
                            "10:00:00."}) {
    INFO(wrong);
    const Result<HumanTime> time = parse_human_time(wrong, kNow);
    REQUIRE_FALSE(time);
    CHECK(time.error().message.find("time '" + std::string(wrong)) == 0);
  }
  CHECK(read("noon").find(kHumanTimeExamples) != std::string::npos);
  CHECK(read("2026-02-30 10:00").find("no such day") != std::string::npos);
  CHECK(read("2025-02-29").find("no such day") != std::string::npos);
  CHECK(read("2026-11-20T10:00:00").find("zone is missing") != std::string::npos);
}

TEST_CASE("the examples are true") {
  const Zone zone(kBerlin);
  for (std::string_view rest = kHumanTimeExamples; !rest.empty();) {
    const size_t comma = std::min(rest.find(", "), rest.size());
    std::string example(rest.substr(0, comma));
    std::erase(example, '\'');
    INFO(example);
    CHECK(parse_human_time(example, kNow));
    rest.remove_prefix(std::min(comma + 2, rest.size()));
  }
}

TEST_CASE("local times when clocks are set") {
  {
    const Zone zone(kNewYork);
    CHECK(read("2026-03-08 01:59:59") == "2026-03-08T06:59:59.000000000Z");
    CHECK(read("2026-03-08 02:30:00").find("no such local time") != std::string::npos);
    CHECK(read("2026-03-08 03:00:00") == "2026-03-08T07:00:00.000000000Z");
    CHECK(read("2026-11-01 01:30") == "2026-11-01T05:30:00.000000000Z");
    CHECK(read("2026-11-01 01:30", kNow, WhenTwice::kSecond) == "2026-11-01T06:30:00.000000000Z");
    CHECK(read("2026-11-01 00:30", kNow, WhenTwice::kSecond) == "2026-11-01T04:30:00.000000000Z");
    CHECK(local_zone_text(kNow) == "EST, UTC-05:00");
    // A date is the same instant everywhere.
    CHECK(read("2026-03-08") == "2026-03-08T00:00:00.000000000Z");
  }
  const Zone zone(kKolkata);
  CHECK(read("2026-03-08") == "2026-03-08T00:00:00.000000000Z");
  CHECK(read("2026-03-08 02:30") == "2026-03-07T21:00:00.000000000Z");
  CHECK(local_zone_text(kNow) == "IST, UTC+05:30");
  const Zone no_zone("UTC");
  CHECK(local_zone_text(kNow) == "UTC");
}

// date(1) is GNU's. It takes a time without a day as today's, which ours is only once it has come, and a date alone as
// local: such texts are not compared.
TEST_CASE("what date(1) understands means the same") {
  if (!date_says("UTC", "2026-11-20 10:00Z")) return;  // another date(1)
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto one_of = [&](auto... choices) {
    const std::array<std::string, sizeof...(choices)> all = {choices...};
    return all[random() % all.size()];
  };
  int compared = 0;
  for (int i = 0; i < 150; ++i) {
    const std::string zone = one_of(kNewYork, kBerlin, kKolkata, "UTC");
    const std::string clock = fmt::format("{:02}:{:02}:{:02}", random() % 24, random() % 60, random() % 60);
    const auto year = 1970 + random() % 70, month = 1 + random() % 12, day = 1 + random() % 31;
    static constexpr std::array<const char*, 12> kNames = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::string date = one_of(fmt::format("{:04}-{:02}-{:02}", year, month, day),
                                    fmt::format("{} {} {}", day, kNames[month - 1], year));
    const std::string text =
        date + " " + clock + one_of("", ".5", ".123456789") + one_of("", "", "Z", " UTC", " +0000", " -0730", "+05:30");
    const Zone here(zone);
    const auto theirs = date_says(zone, text);
    const Result<HumanTime> first = parse_human_time(text, kNow),
                            second = parse_human_time(text, kNow, WhenTwice::kSecond);
    INFO(zone << " " << text);
    REQUIRE(theirs.has_value() == first.has_value());
    if (!theirs) continue;
    CHECK((*theirs == first->ns || *theirs == second->ns));  // which of two, date(1) does not say
    ++compared;
  }
  CHECK(compared > 50);
}
