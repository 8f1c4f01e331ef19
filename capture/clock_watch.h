// Notices that the wall clock was set: it moved against the monotonic clock, which nobody sets. A clock that is slewed
// drags both along, and is no step. A machine that slept shows as a step, too. One thread.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "common/clock.h"

namespace gatetape {

class ClockWatch {
 public:
  // Smaller steps are within what a busy machine needs to read two clocks.
  static constexpr int64_t kStepMin_ns = 50'000'000;

  explicit ClockWatch(Clock& clock) : clock_(clock), offset_ns_(offset_ns()) {}

  // How far the wall clock was set since the last call; 0: it was not. Called often: a step is known to have happened
  // between two calls.
  int64_t step_ns() {
    const int64_t now = offset_ns(), step = now - offset_ns_;
    if (std::abs(step) < kStepMin_ns) return 0;
    offset_ns_ = now;
    return step;
  }

 private:
  // Wall time less monotonic time. Read again when something came between the two readings; when something always does,
  // nothing is known of this moment, and it is what it was.
  int64_t offset_ns() const {
    constexpr int kTries = 5;
    constexpr int64_t kTogether_ns = 1'000'000;
    int64_t best = 0, shortest = INT64_MAX;
    for (int i = 0; i < kTries && shortest > kTogether_ns; ++i) {
      const int64_t before = clock_.monotonic_ns(), wall = clock_.wall_ns(), after = clock_.monotonic_ns();
      if (after - before >= shortest) continue;
      shortest = after - before;
      best = wall - before - shortest / 2;
    }
    return shortest < kStepMin_ns / 5 ? best : offset_ns_;
  }

  Clock& clock_;
  int64_t offset_ns_ = 0;
};

}  // namespace gatetape
