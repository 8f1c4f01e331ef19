// The only clocks of the program. The wall clock dates what is written down; the monotonic one measures how long
// something takes. Objects that act on time by themselves take a Clock, so that a test or a simulator can turn it.
#pragma once

#include <cstdint>
#include <string>

namespace gatetape {

inline constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  // Since the Unix epoch, UTC; may step either way.
  virtual int64_t wall_ns() = 0;
  // Since some instant that stays the same while the program runs; never steps back.
  virtual int64_t monotonic_ns() = 0;
};

// The machine's clocks (clock_gettime(2): CLOCK_REALTIME, CLOCK_MONOTONIC). Any thread.
Clock& system_clock();
int64_t wall_clock_ns();
int64_t monotonic_clock_ns();

// The wall clock's source, whether something keeps it right, and how wrong it may be, in words.
std::string describe_wall_clock();

}  // namespace gatetape
