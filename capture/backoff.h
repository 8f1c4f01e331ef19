// Backoff lets a polling thread wait while nothing comes. It spins through short gaps and then sleeps, longer each time
// up to kSleepMax, so that idle workers leave the processors to others. During the longest sleep, a quarter of a
// millisecond, at most some 300 KB arrive in a driver's buffer at 10 Gbit/s. Each polling thread has its own.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace gatetape {

class Backoff {
 public:
  // Called after a round that found packets.
  void reset() { idle_rounds_ = 0; }

  // Called after a round that found nothing; waits.
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
