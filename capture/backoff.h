// How a polling thread waits: it spins through short gaps, then sleeps longer and longer, up to kSleepMax, so that idle
// workers do not starve the traffic's own processes on a small machine. A quarter of a millisecond costs at most some
// 250 KB of a driver's buffer at 10 Gbit/s.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace gatetape {

class Backoff {
 public:
  // Something was there.
  void reset() { idle_rounds_ = 0; }

  // Nothing was there.
  void wait() {
    const unsigned round = idle_rounds_++;
    if (round < kSpins) {
      _mm_pause();
      return;
    }
    idle_rounds_ = std::min(idle_rounds_, kSpins + kDoublings);
    const auto doublings = std::min(round - kSpins, kDoublings);
    std::this_thread::sleep_for(std::min(kSleepMin * (1 << doublings), kSleepMax));
  }

 private:
  static constexpr unsigned kSpins = 16;
  static constexpr unsigned kDoublings = 6;
  static constexpr std::chrono::microseconds kSleepMin{5};
  static constexpr std::chrono::microseconds kSleepMax{250};
  unsigned idle_rounds_ = 0;
};

}  // namespace gatetape
