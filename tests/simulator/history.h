// One history: everything that happens to one or two sensors and their disk over some minutes of a simulated clock, all
// of it decided by a seed. Sensors record, seal, sync, evict, are killed or lose power in the midst of any call, start
// again; the disk fails, tears, fills up; somebody reads meanwhile, or damages a file. The laws (checks.h) are checked
// on the way and at the end. One thread but for verify's own.
#pragma once

#include <cstdint>
#include <string>

namespace gatetape::simulator {

struct HistoryFacts {
  uint64_t packets = 0, runs = 0, kills = 0, power_cuts = 0, failures = 0, evictions = 0, extracts = 0, complete = 0;
};

// Returns the law that was broken; empty: none. `trace`: prints what happens to standard output.
std::string run_history(uint64_t seed, bool trace, HistoryFacts& facts);

}  // namespace gatetape::simulator
