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

  explicit ClockWatch(Clock& clock) : clock_(clock), offset_ns_(read().offset_ns) {}

  // How far the wall clock was set since the last call; 0: it was not. Called often: a step is known to have happened
  // between two calls.
  int64_t step_ns() {
    const Reading now = read();
    const int64_t step = now.offset_ns - offset_ns_;
    if (now.took_ns >= kStepMin_ns / 5 || std::abs(step) < kStepMin_ns) return 0;
    offset_ns_ = now.offset_ns;
    return step;
  }

 private:
  struct Reading {
    int64_t offset_ns = 0;        // wall time less monotonic time
    int64_t took_ns = INT64_MAX;  // between the two: how far the offset may be wrong
  };

  // Read again when something came between the two clocks. When something always does, nothing is known of this moment.
  Reading read() const {
    constexpr int kTries = 5;
    constexpr int64_t kTogether_ns = 1'000'000;
    Reading best;
    for (int i = 0; i < kTries && best.took_ns > kTogether_ns; ++i) {
      const int64_t before = clock_.monotonic_ns(), wall = clock_.wall_ns(), took = clock_.monotonic_ns() - before;
      if (took < best.took_ns) best = {wall - before - took / 2, took};
    }
    return best;
  }

  Clock& clock_;
  int64_t offset_ns_;
};

}  // namespace gatetape
