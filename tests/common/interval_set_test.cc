#include "common/interval_set.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace gatetape;

TEST_CASE("intervals that touch or overlap become one") {
  IntervalSet set;
  set.add({10, 20});
  set.add({30, 40});
  set.add({21, 25});
  CHECK(set.intervals() == std::vector<Interval>{{10, 25}, {30, 40}});
  set.add({5, 50});
  CHECK(set.intervals() == std::vector<Interval>{{5, 50}});
}

TEST_CASE("holes are what no interval covers, as a set of instants has it") {
  std::mt19937 random(20261127);
  for (int round = 0; round < 200; ++round) {
    IntervalSet set;
    std::set<int64_t> instants;
    for (unsigned i = 0; i < random() % 12; ++i) {
      const auto first = static_cast<int64_t>(random() % 60), length = static_cast<int64_t>(random() % 8);
      set.add({first, first + length});
      for (int64_t at = first; at <= first + length; ++at) instants.insert(at);
    }
    const auto from = static_cast<int64_t>(random() % 40), to = from + static_cast<int64_t>(random() % 40);
    std::set<int64_t> holes, expected;
    for (const Interval& hole : set.holes({from, to})) {
      for (int64_t at = hole.first_ns; at <= hole.last_ns; ++at) REQUIRE(holes.insert(at).second);
    }
    for (int64_t at = from; at <= to; ++at) {
      if (!instants.contains(at)) expected.insert(at);
    }
    REQUIRE(holes == expected);
  }
}
