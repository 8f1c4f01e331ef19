#include "common/time_text.h"

#include <catch2/catch.hpp>
#include <random>

using namespace gatetape;

namespace {
constexpr int64_t kNow = 1'795'168'800'000'000'000;  // 2026-11-20T10:00:00Z
constexpr int64_t kHour = 3600 * kNanosecondsPerSecond;
}  // namespace

TEST_CASE("times as people write them") {
  struct Case {
    const char* text;
    int64_t expected;
  };
  for (const Case& right : {
           Case{"2026-11-20T10:00:00Z", kNow},
           Case{"2026-11-20 10:00:00z", kNow},
           Case{"2026-11-20t11:00:00+01:00", kNow},
           Case{"2026-11-20T08:30:00-0130", kNow},
           Case{"2026-11-20T10:00:00.5Z", kNow + 500'000'000},
           Case{"2026-11-20T10:00:00.123456789Z", kNow + 123'456'789},
           Case{"2026-11-20T10:00:00.1234567899Z", kNow + 123'456'789},
           Case{"2026-11-20T09:59:60Z", kNow},
           Case{"2026-11-20", kNow - 10 * kHour},
           Case{"1970-01-01T00:00:00Z", 0},
           Case{"1969-12-31T23:59:59.999999999Z", -1},
           Case{"2024-02-29", 1'709'164'800'000'000'000},
           Case{"@1795168800", kNow},
           Case{"@1.25", 1'250'000'000},
           Case{"now", kNow},
           Case{"-2h", kNow - 2 * kHour},
           Case{"-1h30m", kNow - kHour * 3 / 2},
           Case{"+1d", kNow + 24 * kHour},
           Case{"-250ms", kNow - 250'000'000},
       }) {
    INFO(right.text);
    const Result<int64_t> time = parse_time(right.text, kNow);
    REQUIRE(time);
    CHECK(*time == right.expected);
  }
}

TEST_CASE("what is not a time is refused, with what would be") {
  for (const char* wrong : {"",
                            "yesterday",
                            "2026-11-20T10:00:00",
                            "2026-11-20T10:00Z",
                            "2026-11-20T10:00:00Zx",
                            "2026-13-01",
                            "2026-02-30",
                            "2025-02-29",
                            "2026-11-20T24:00:00Z",
                            "2026-11-20T10:00:00.Z",
                            "1600-01-01",
                            "2300-01-01",
                            "-2",
                            "-h",
                            "-2y",
                            "-",
                            "+",
                            "@",
                            "@x",
                            "@99999999999999",
                            "-99999999999999999999h",
                            "-999999999999w",
                            "2026-11-20T10:00:00+25:00"}) {
    INFO(wrong);
    const Result<int64_t> time = parse_time(wrong, kNow);
    REQUIRE_FALSE(time);
    CHECK(time.error().message.find(wrong) != std::string::npos);
  }
  CHECK(parse_time("2026-11-20T10:00:00", kNow).error().message.find("zone") != std::string::npos);
}

TEST_CASE("a formatted time is read back the same") {
  CHECK(format_time(kNow + 1) == "2026-11-20T10:00:00.000000001Z");
  std::string eve;
  append_eve_time(eve, kNow + 123'456'789);
  CHECK(eve == "2026-11-20T10:00:00.123456+0000");
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int64_t> within(-9'000'000'000'000'000'000, 9'000'000'000'000'000'000);
  for (int i = 0; i < 20000; ++i) {
    const int64_t time = within(random);
    const Result<int64_t> back = parse_time(format_time(time), 0);
    REQUIRE(back);
    REQUIRE(*back == time);
  }
}

TEST_CASE("sizes") {
  CHECK(*parse_size("0") == 0);
  CHECK(*parse_size("4096") == 4096);
  CHECK(*parse_size("4096B") == 4096);
  CHECK(*parse_size("64k") == 64 << 10);
  CHECK(*parse_size("10G") == 10ull << 30);
  CHECK(*parse_size("10GiB") == 10ull << 30);
  CHECK(*parse_size("1.5TB") == 3ull << 39);
  for (const char* wrong : {"", "G", "-1", "1e3", "10X", "10GG", "1 G", "nan", "inf", "99999999999T", "0x10"}) {
    INFO(wrong);
    CHECK_FALSE(parse_size(wrong));
  }
  CHECK(format_size(512) == "512 B");
  CHECK(format_size(1024) == "1.0 KiB");
  CHECK(format_size((1 << 20) - 1) == "1.0 MiB");
  CHECK(format_size(UINT64_MAX) == "16.0 EiB");
}
