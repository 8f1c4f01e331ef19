// The lanes of the open frame: a keyed hash table that is emptied in one step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/lane.h"

namespace gatetape {

class LaneTable {
 public:
  LaneTable(size_t lanes_max, uint64_t seed);

  void clear();
  uint16_t find_or_add(const Lane& lane);
  uint16_t find(const Lane& lane) const;  // kNoLane: not there
  std::span<const Lane> lanes() const { return lanes_; }

 private:
  struct Slot {
    uint32_t generation = 0;
    uint16_t lane = 0;
  };
  size_t slot_of(const Lane& lane) const;  // where it is or would be

  uint64_t seed_;
  uint32_t generation_ = 1;
  std::vector<Slot> slots_;
  std::vector<Lane> lanes_;
};

}  // namespace gatetape
