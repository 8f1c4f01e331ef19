#include "common/sorted_spool.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace gatetape;

TEST_CASE("a spool sorts as std::stable_sort does, in memory and through its file") {
  const uint32_t seed = std::random_device()();
  std::mt19937 random(seed);
  for (const size_t memory : {SortedSpool::kMemoryBytes, size_t{40'000}, size_t{1000}, size_t{1}}) {
    for (const bool descending : {false, true}) {
      for (const size_t count : {size_t{0}, size_t{1}, size_t{700}}) {
        INFO("seed " << seed << ", memory " << memory << ", descending " << descending << ", " << count);
        SortedSpool spool(descending, memory);
        std::vector<std::pair<std::string, std::string>> expected;
        for (size_t i = 0; i < count; ++i) {
          std::string key(random() % 3, static_cast<char>(random() % 3 + 254));
          std::string payload = std::to_string(i);
          if (i % 100 == 7) payload.append(100'000, 'x');
          REQUIRE(spool.add(key, payload));
          expected.emplace_back(key, payload);
        }
        std::stable_sort(expected.begin(), expected.end(), [&](const auto& a, const auto& b) {
          return descending ? b.first < a.first : a.first < b.first;
        });
        std::vector<std::string> got;
        REQUIRE(spool.visit([&](std::string_view payload) {
          got.emplace_back(payload);
          return true;
        }));
        REQUIRE(got.size() == expected.size());
        for (size_t i = 0; i < count; ++i) REQUIRE((got[i] == expected[i].second));
      }
    }
  }
}

TEST_CASE("a spool stops when it is told to, and says when its file cannot be made") {
  SortedSpool spool(false, 1);
  REQUIRE(spool.add("b", "2"));
  REQUIRE(spool.add("a", "1"));
  int visited = 0;
  REQUIRE(spool.visit([&](std::string_view payload) {
    ++visited;
    CHECK(payload == "1");
    return false;
  }));
  CHECK(visited == 1);

  const char* const before = std::getenv("TMPDIR");
  const std::string saved = before == nullptr ? "" : before;
  setenv("TMPDIR", "/nonexistent", 1);
  SortedSpool nowhere(false, 1);
  const Result<void> added = nowhere.add("a", "1");
  before == nullptr ? unsetenv("TMPDIR") : setenv("TMPDIR", saved.c_str(), 1);
  REQUIRE_FALSE(added);
  CHECK(added.error().message.find("/nonexistent/") != std::string::npos);
}
