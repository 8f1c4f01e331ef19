// A clock that goes when the test turns it. Wall and monotonic time are turned together; any thread may read it.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/clock.h"

namespace gatetape::test {

class TurnedClock final : public Clock {
 public:
  explicit TurnedClock(int64_t wall_ns = 1'700'000'000 * kNanosecondsPerSecond) : wall_ns_(wall_ns) {}
  int64_t wall_ns() override { return wall_ns_; }
  int64_t monotonic_ns() override { return monotonic_ns_; }
  void turn(int64_t ns) {
    wall_ns_ += ns;
    monotonic_ns_ += ns;
  }
  void step_wall(int64_t ns) { wall_ns_ += ns; }  // as an administrator would

 private:
  std::atomic<int64_t> wall_ns_;
  std::atomic<int64_t> monotonic_ns_{1};
};

}  // namespace gatetape::test
