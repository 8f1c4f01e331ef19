// A fixed set of bursts, all made at the start: what a source may have handed out at once is bounded.
//
// take() from the polling thread of the pool's queue; give_back() from any thread. Lowest free first, so that a
// consumer that keeps up works in the same few, cache-warm bursts.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "capture/sources/source.h"
#include "common/check.h"

namespace gatetape {

// BurstType derives from Burst and has `std::atomic<bool> taken`.
template <class BurstType>
class BurstPool {
 public:
  explicit BurstPool(unsigned size) {
    bursts_.reserve(size);
    for (unsigned i = 0; i < size; i++) bursts_.push_back(std::make_unique<BurstType>());
  }

  // Empty, or null when all are out.
  BurstType* take() {
    for (auto& burst : bursts_) {
      if (burst->taken.load(std::memory_order_acquire)) continue;
      burst->taken.store(true, std::memory_order_relaxed);
      burst->count = 0;
      return burst.get();
    }
    return nullptr;
  }

  void give_back(BurstType* burst) {
    GT_CHECK(burst->taken.load(std::memory_order_relaxed));
    burst->taken.store(false, std::memory_order_release);
  }

  template <class Function>
  void for_each(Function&& function) {
    for (auto& burst : bursts_) function(*burst);
  }

 private:
  std::vector<std::unique_ptr<BurstType>> bursts_;
};

}  // namespace gatetape
