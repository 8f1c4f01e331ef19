// Closed frames on their way from a worker to the store's writing thread: a ring of slots. One
// producer, one consumer; full means the disk is behind.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

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
  // A frame has up to 1 MiB of captured packets, so no more than 64 MB of them wait, and of what they became no more
  // than kBytesMax and a frame: a disk may stall for a while.
  static constexpr uint32_t kSlots = 64;
  static constexpr uint64_t kBytesMax = 60 << 20;
  // For a producer that can wait: more would cost memory and win nothing.
  static constexpr uint32_t kSlotsOfWaiting = 16;

  explicit FrameQueue(uint32_t slots_max) : slots_max_(slots_max) {}

  // Producer. The slot to fill, or nullptr when there is no room; push() hands it over.
  ClosedFrame* free_slot() {
    if (!has_room(tail_.load(std::memory_order_acquire))) return nullptr;
    ClosedFrame& slot = slots_[head_.load(std::memory_order_relaxed) % kSlots];
    if (!slot.bytes.has_memory()) take_spare(slot.bytes);
    return &slot;
  }
  void push() {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    bytes_.fetch_add(slots_[head % kSlots].bytes.size(), std::memory_order_relaxed);
    head_.store(head + 1, std::memory_order_release);
  }
  // Producer: sleeps until there is a free slot.
  void wait_for_room() const {
    for (uint32_t tail = tail_.load(std::memory_order_acquire); !has_room(tail);
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
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    return tail == head_.load(std::memory_order_acquire) ? nullptr : &slots_[tail % kSlots];
  }
  void pop() {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    ByteSink bytes = std::exchange(slots_[tail % kSlots].bytes, {});
    bytes_.fetch_sub(bytes.size(), std::memory_order_relaxed);
    give_spare(std::move(bytes));
    tail_.store(tail + 1, std::memory_order_release);
    tail_.notify_all();
  }

 private:
  bool has_room(uint32_t tail) const {
    return head_.load(std::memory_order_relaxed) - tail < slots_max_ &&
           bytes_.load(std::memory_order_relaxed) < kBytesMax;
  }
  // Memory goes back from the consumer to the producer, as much as a disk that is not behind needs; the rest is freed.
  void take_spare(ByteSink& bytes) {
    const uint32_t taken = spares_taken_.load(std::memory_order_relaxed);
    if (taken == spares_given_.load(std::memory_order_acquire)) return;
    bytes = std::exchange(spares_[taken % kSpares], {});
    bytes.clear();
    spares_taken_.store(taken + 1, std::memory_order_release);
  }
  void give_spare(ByteSink bytes) {
    const uint32_t given = spares_given_.load(std::memory_order_relaxed);
    if (given - spares_taken_.load(std::memory_order_acquire) == kSpares) return;
    spares_[given % kSpares] = std::move(bytes);
    spares_given_.store(given + 1, std::memory_order_release);
  }

  const uint32_t slots_max_;  // at most kSlots
  static constexpr uint32_t kSpares = 8;
  std::array<ClosedFrame, kSlots> slots_;
  std::array<ByteSink, kSpares> spares_;
  std::atomic<uint64_t> bytes_{0};             // that wait
  alignas(64) std::atomic<uint32_t> head_{0};  // frames pushed
  std::atomic<uint32_t> spares_taken_{0};
  alignas(64) std::atomic<uint32_t> tail_{0};  // frames popped
  std::atomic<uint32_t> spares_given_{0};
};

}  // namespace gatetape
