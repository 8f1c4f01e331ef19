#include "common/clock.h"

#include <fmt/format.h>
#include <sys/timex.h>

#include <ctime>
#include <fstream>

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

std::string describe_wall_clock() {
  std::string source = "of an unknown source";
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  if (std::string name; file >> name) source = name;
  timex state{};
  const int kept = ::adjtimex(&state);
  if (kept < 0) return fmt::format("the machine's ({}), its error unknown", source);
  if (kept == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    return fmt::format("the machine's ({}), not synchronised, its error unknown", source);
  }
  return fmt::format("the machine's ({}), synchronised, wrong by at most {:.3f} ms", source,
                     static_cast<double>(state.maxerror) / 1000);
}

}  // namespace gatetape
