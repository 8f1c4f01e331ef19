#include "storage/write/lane_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>

#include "common/check.h"

namespace gatetape {

LaneTable::LaneTable(size_t lanes_max, uint64_t seed) : seed_(seed), slots_(std::bit_ceil(2 * lanes_max)) {
  GT_CHECK(lanes_max < kNoLane);
  lanes_.reserve(lanes_max);
}

void LaneTable::clear() {
  lanes_.clear();
  if (++generation_ != 0) return;
  for (Slot& slot : slots_) slot = {};
  generation_ = 1;
}

size_t LaneTable::slot_of(const Lane& lane) const {
  size_t at = XXH3_64bits_withSeed(&lane, sizeof lane, seed_);
  for (;; at++) {
    const Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.generation != generation_ || lanes_[slot.lane] == lane) return at & (slots_.size() - 1);
  }
}

uint16_t LaneTable::find_or_add(const Lane& lane) {
  Slot& slot = slots_[slot_of(lane)];
  if (slot.generation == generation_) return slot.lane;
  slot = {generation_, static_cast<uint16_t>(lanes_.size())};
  lanes_.push_back(lane);
  return slot.lane;
}

uint16_t LaneTable::find(const Lane& lane) const {
  const Slot& slot = slots_[slot_of(lane)];
  return slot.generation == generation_ ? slot.lane : kNoLane;
}

}  // namespace gatetape
