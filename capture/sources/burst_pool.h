// BurstPool is a set of bursts. It bounds the memory that a source hands out at once.
//
// The polling thread of the pool's queue calls take(); any thread calls give_back(). The pool hands out the lowest free
// burst, so that a consumer that keeps up works in a few bursts that stay in the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "capture/sources/source.h"
#include "common/check.h"

namespace gatetape {

// BurstType derives from Burst and has `std::atomic<bool> taken`.
template <class BurstType>
class BurstPool {
 public:
  enum class Making : uint8_t { kAtOnce, kAsNeeded };  // as needed: not before all others are out

  explicit BurstPool(unsigned size, Making making) : bursts_(size) {
    if (making == Making::kAsNeeded) return;
    for (auto& burst : bursts_) burst = std::make_unique<BurstType>();
  }

  // Returns an empty burst, or null when all are out.
  BurstType* take() {
    for (auto& burst : bursts_) {
      if (burst == nullptr) burst = std::make_unique<BurstType>();
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
    for (auto& burst : bursts_) {
      if (burst != nullptr) function(*burst);
    }
  }

 private:
  std::vector<std::unique_ptr<BurstType>> bursts_;
};

}  // namespace gatetape
