// Closed frames on their way from a worker to the store's writing thread: a ring of slots that keep their memory. One
// producer, one consumer; full means the disk is behind.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "storage/format/byte_order.h"
#include "storage/format/format.h"

namespace gatetape {

struct ClosedFrame {
  RetentionClass retention = RetentionClass::kFull;
  std::shared_ptr<const SegmentHeader> begins_segment;  // set on a segment's first frame
  FrameHeader header;
  ByteSink bytes;
};

class FrameQueue {
 public:
  static constexpr uint32_t kSlots = 16;  // each up to 1.3 MB: with the open frames well below 64 MB per worker

  // Producer. The slot to fill, or nullptr when all are taken; push() hands it over.
  ClosedFrame* free_slot() {
    return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire) == kSlots
               ? nullptr
               : &slots_[head_.load(std::memory_order_relaxed) % kSlots];
  }
  void push() { head_.fetch_add(1, std::memory_order_release); }
  // Producer: sleeps until there is a free slot.
  void wait_for_room() const {
    for (uint32_t tail = tail_.load(std::memory_order_acquire); head_.load(std::memory_order_relaxed) - tail == kSlots;
         tail = tail_.load(std::memory_order_acquire)) {
      tail_.wait(tail, std::memory_order_acquire);
    }
  }

  // Producer's side: sleeps until all frames are popped.
  void wait_until_empty() const {
    for (uint32_t tail = tail_.load(std::memory_order_acquire); head_.load(std::memory_order_acquire) != tail;
         tail = tail_.load(std::memory_order_acquire)) {
      tail_.wait(tail, std::memory_order_acquire);
    }
  }

  // Consumer. The oldest frame, or nullptr; pop() gives its slot back.
  ClosedFrame* oldest() {
    return tail_.load(std::memory_order_relaxed) == head_.load(std::memory_order_acquire)
               ? nullptr
               : &slots_[tail_.load(std::memory_order_relaxed) % kSlots];
  }
  void pop() {
    tail_.fetch_add(1, std::memory_order_release);
    tail_.notify_all();
  }

 private:
  std::array<ClosedFrame, kSlots> slots_;
  alignas(64) std::atomic<uint32_t> head_{0};  // frames pushed
  alignas(64) std::atomic<uint32_t> tail_{0};  // frames popped
};

}  // namespace gatetape
