#include "capture/clock_watch.h"

#include <catch2/catch.hpp>

#include "tests/support/turned_clock.h"

using namespace gatetape;
using namespace gatetape::test;

TEST_CASE("a clock that was set is noticed once, with its distance", "[clock]") {
  TurnedClock clock;
  ClockWatch watch(clock);
  for (int i = 0; i < 100; ++i) {
    clock.turn(kNanosecondsPerSecond);
    CHECK(watch.step_ns() == 0);
  }
  for (const int64_t step : {3600 * kNanosecondsPerSecond, -1800 * kNanosecondsPerSecond, ClockWatch::kStepMin_ns}) {
    clock.turn(5'000'000);
    clock.step_wall(step);
    CHECK(watch.step_ns() == step);
    CHECK(watch.step_ns() == 0);
  }
  // Small corrections, which keep a clock right, are no step.
  clock.step_wall(ClockWatch::kStepMin_ns - 1);
  CHECK(watch.step_ns() == 0);
}
