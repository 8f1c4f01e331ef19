// A half-open range of time, without a bound where an end is missing. It touches what begins and ends at given times.
#pragma once

#include <cstdint>
#include <optional>

namespace gatetape {

struct TimeRange {
  std::optional<int64_t> since_ns;  // first instant wanted
  std::optional<int64_t> until_ns;  // first instant no longer wanted

  bool touches(int64_t first_ns, int64_t last_ns) const {
    return (!until_ns || first_ns < *until_ns) && (!since_ns || last_ns >= *since_ns);
  }
};

}  // namespace gatetape
