// Distributor polls every source from one thread, numbers packets in order of arrival, and hands each burst to the
// workers whose flows are in it, by symmetric flow hash. A session uses it when there are several workers and some
// source has fewer receive queues than that. Packets are never copied: a burst goes back to its source when the last
// worker is done with it.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "capture/sources/source.h"
#include "capture/spsc_queue.h"
#include "packet/account.h"

namespace gatetape {

// A source, and the number of its first interface in the capture's list of interfaces.
struct SourceInput {
  Source* source = nullptr;
  uint16_t first_interface = 0;
};

// A burst on its way to a worker, which reads the packets marked with its number.
struct HandedBurst {
  Burst* burst = nullptr;
  Source* source = nullptr;
};

// The distributor's counters for one worker. handed + dropped is that worker's "received".
struct HandedAccount {
  uint64_t handed = 0;
  uint64_t handed_bytes = 0;
  uint64_t dropped = 0;  // the worker's queue was full; live sources only
  uint64_t dropped_bytes = 0;
};

class Distributor {
 public:
  // `sources` outlive the distributor.
  Distributor(std::vector<SourceInput> sources, unsigned workers, bool live);

  // Runs on the distributor's thread until every source has ended (Source::stop()). Fails when a source fails; all
  // packets received before have then been handed out.
  Result<void> run();

  // Return the worker's next burst, or a null one; and whether no more will come. Called on the worker's thread.
  HandedBurst next(unsigned worker) { return queues_[worker]->pop().value_or(HandedBurst{}); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  // Returns how often all sources were polled. Any thread.
  uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }
  // Ends a worker's use of a burst. The burst goes back to its source after the last call. Any thread.
  static void done(const HandedBurst& handed);
  // Returns the counters for one worker. Any thread.
  HandedAccount account(unsigned worker) const;

 private:
  struct AtomicAccount {
    std::atomic<uint64_t> handed{0}, handed_bytes{0}, dropped{0}, dropped_bytes{0};
  };
  // One receive queue of a source.
  struct OpenQueue {
    const SourceInput* input;
    unsigned number;
    bool ended = false;
  };
  Result<bool> round();  // returns whether it found nothing
  void hand_out(Burst* burst, const SourceInput& input);
  void hand_to(unsigned worker, HandedBurst handed, uint64_t packets, uint64_t bytes);

  std::vector<SourceInput> sources_;
  std::vector<OpenQueue> queues_open_;
  const bool live_;
  uint64_t next_ordinal_ = 0;
  std::vector<std::unique_ptr<SpscQueue<HandedBurst>>> queues_;
  std::vector<AtomicAccount> accounts_;
  std::vector<uint64_t> packets_, bytes_;  // in the burst being handed out, by worker
  std::atomic<uint64_t> rounds_{0};
  std::atomic<bool> finished_{false};
};

}  // namespace gatetape
