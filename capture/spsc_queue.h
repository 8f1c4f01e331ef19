// SpscQueue is a bounded queue of small values, such as pointers, from exactly one thread to exactly one other. It
// never blocks, and it allocates only when it is constructed.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <optional>
#include <vector>

namespace gatetape {

template <class T>
class SpscQueue {
 public:
  explicit SpscQueue(size_t capacity) : slots_(std::bit_ceil(capacity)) {}

  // Appends a value, on the producer's thread. Returns false when the queue is full.
  bool push(T value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == slots_.size()) return false;
    slots_[tail & (slots_.size() - 1)] = value;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  std::optional<T> pop() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    const T value = slots_[head & (slots_.size() - 1)];
    head_.store(head + 1, std::memory_order_release);
    return value;
  }

 private:
  std::vector<T> slots_;
  alignas(64) std::atomic<size_t> head_{0};  // written by the consumer
  alignas(64) std::atomic<size_t> tail_{0};  // written by the producer
};

}  // namespace gatetape
