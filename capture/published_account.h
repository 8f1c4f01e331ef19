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
  void publish(const WorkerAccount& account) {
    const auto words = account.words();
    const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (size_t i = 0; i < words.size(); ++i) words_[i].store(words[i], std::memory_order_relaxed);
    sequence_.store(sequence + 2, std::memory_order_release);
  }

  WorkerAccount read() const {
    WorkerAccount account;
    const auto words = account.words();
    for (;;) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      for (size_t i = 0; i < words.size(); ++i) words[i] = words_[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (before % 2 == 0 && before == sequence_.load(std::memory_order_relaxed)) break;
    }
    return account;
  }

 private:
  std::atomic<uint64_t> sequence_{0};
  std::array<std::atomic<uint64_t>, WorkerAccount::table().size()> words_{};
};

}  // namespace gatetape
