// RecordOutlet takes records out of a worker. The worker fills a batch and hands full or old ones to the records thread
// through a bounded queue; empty ones come back through another. All batches are made at the start. With a live source
// the worker never waits: when no empty batch is left, records are dropped and counted. With a file, and once the input
// has ended, it waits for an empty one.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "capture/spsc_queue.h"
#include "packet/records.h"

namespace gatetape {

class RecordOutlet {
 public:
  static constexpr size_t kBatches = 128;
  static constexpr size_t kBatchBytes = 128 * 1024;
  static constexpr int64_t kBatchAgeMax_ns = 500'000'000;

  // `wanted`: false when nobody reads records; append() then does nothing.
  RecordOutlet(bool wanted, bool live) : wanted_(wanted), may_wait_(!live), full_(kBatches), empty_(kBatches) {
    if (!wanted) return;
    for (size_t i = 0; i < kBatches; ++i) {
      batches_.push_back(std::make_unique<RecordBatch>());
      empty_.push(batches_.back().get());
    }
  }

  // --- the worker's thread ---
  void append(const Record& record) {
    if (!wanted_) return;
    if (current_ == nullptr && !take_empty()) {
      ++dropped_;
      return;
    }
    current_->append(record);
    if (current_->size_bytes() >= kBatchBytes) hand_over();
  }
  void tick(int64_t monotonic_ns) {
    if (current_ == nullptr || current_->empty()) return;
    if (opened_ns_ == 0) opened_ns_ = monotonic_ns;
    if (monotonic_ns - opened_ns_ >= kBatchAgeMax_ns) hand_over();
  }
  // No more packets are coming, so that nothing is lost by waiting: from now on append() waits for an empty batch.
  void input_ended() { may_wait_ = true; }
  void flush() {
    if (current_ != nullptr && !current_->empty()) hand_over();
  }
  bool wanted() const { return wanted_; }
  uint64_t dropped() const { return dropped_; }

  // --- the records thread ---
  // The oldest full batch, or null. Give it back when it is written.
  RecordBatch* take_full() { return full_.pop().value_or(nullptr); }
  void give_back(RecordBatch* batch) {
    batch->clear();
    empty_.push(batch);
  }

 private:
  bool take_empty() {
    for (;;) {
      current_ = empty_.pop().value_or(nullptr);
      if (current_ != nullptr) return true;
      if (!may_wait_) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  void hand_over() {
    full_.push(current_);  // has room: it holds as many as there are batches
    current_ = nullptr;
    opened_ns_ = 0;
  }

  const bool wanted_;
  bool may_wait_;
  std::vector<std::unique_ptr<RecordBatch>> batches_;
  SpscQueue<RecordBatch*> full_;
  SpscQueue<RecordBatch*> empty_;
  RecordBatch* current_ = nullptr;
  int64_t opened_ns_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace gatetape
