#include "common/clock.h"

#include <ctime>

namespace gatetape {
namespace {

int64_t read(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * kNanosecondsPerSecond + now.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  int64_t wall_ns() override { return wall_clock_ns(); }
  int64_t monotonic_ns() override { return monotonic_clock_ns(); }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

int64_t wall_clock_ns() {
  return read(CLOCK_REALTIME);
}

int64_t monotonic_clock_ns() {
  return read(CLOCK_MONOTONIC);
}

}  // namespace gatetape
