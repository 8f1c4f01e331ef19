// A worker's account where other threads can read it: one writer, any readers, no locks. A sequence lock over relaxed
// atomics: the reader tries again while the writer is in the middle (H.-J. Boehm, "Can seqlocks get along with
// programming language memory models?", MSPC 2012).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "packet/account.h"

namespace gatetape {

class PublishedAccount {
 public:
  // `newest_ns`: the time of the newest packet in it, INT64_MIN if there is none.
  void publish(const WorkerAccount& account, int64_t newest_ns) {
    const auto words = account.words();
    const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (size_t i = 0; i < words.size(); ++i) words_[i].store(words[i], std::memory_order_relaxed);
    newest_ns_.store(newest_ns, std::memory_order_relaxed);
    sequence_.store(sequence + 2, std::memory_order_release);
  }

  // Returns an account of one instant, and sets `newest_ns` to its packets' newest time where it is given.
  WorkerAccount read(int64_t* newest_ns = nullptr) const {
    WorkerAccount account;
    int64_t newest = INT64_MIN;
    const auto words = account.words();
    for (;;) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      for (size_t i = 0; i < words.size(); ++i) words[i] = words_[i].load(std::memory_order_relaxed);
      newest = newest_ns_.load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (before % 2 == 0 && before == sequence_.load(std::memory_order_relaxed)) break;
    }
    if (newest_ns != nullptr) *newest_ns = newest;
    return account;
  }

 private:
  std::atomic<uint64_t> sequence_{0};
  std::array<std::atomic<uint64_t>, WorkerAccount::table().size()> words_{};
  std::atomic<int64_t> newest_ns_{INT64_MIN};
};

}  // namespace gatetape
