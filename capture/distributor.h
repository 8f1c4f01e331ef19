// The software distributor: one thread that polls every source, numbers packets in order of arrival and hands each
// burst to the workers whose flows are in it, by symmetric flow hash. Used when there are several workers and a source
// that has not as many receive queues. The burst goes back to its source when the last worker is done with it; packets
// are never copied.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "capture/sources/source.h"
#include "capture/spsc_queue.h"
#include "packet/account.h"

namespace gatetape {

// A source, and where its interfaces begin in the capture's list of interfaces.
struct SourceInput {
  Source* source = nullptr;
  uint16_t first_interface = 0;
};

// A burst on its way to a worker, who reads the packets marked with its number.
struct HandedBurst {
  Burst* burst = nullptr;
  Source* source = nullptr;
};

// What the distributor counts for one worker. handed + dropped is that worker's "received".
struct HandedAccount {
  uint64_t handed = 0;
  uint64_t handed_bytes = 0;
  uint64_t dropped = 0;  // live source, and the worker's queue was full
  uint64_t dropped_bytes = 0;
};

class Distributor {
 public:
  // `sources` outlive the distributor.
  Distributor(std::vector<SourceInput> sources, unsigned workers, bool live);

  // Runs until every source has ended (Source::stop()). Fails as a source fails; what was received before has been
  // handed out.
  Result<void> run();

  // Worker's thread: the next burst, or null; then whether more may come.
  HandedBurst next(unsigned worker) { return queues_[worker]->pop().value_or(HandedBurst{}); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  // Any thread: the burst goes back when every reader is done.
  static void done(const HandedBurst& handed);
  // Any thread.
  HandedAccount account(unsigned worker) const;

 private:
  struct AtomicAccount {
    std::atomic<uint64_t> handed{0}, handed_bytes{0}, dropped{0}, dropped_bytes{0};
  };
  // A receive queue of a source.
  struct OpenQueue {
    const SourceInput* input;
    unsigned number;
    bool ended = false;
  };
  Result<bool> round();  // whether it found nothing
  void hand_out(Burst* burst, const SourceInput& input);
  void hand_to(unsigned worker, HandedBurst handed, uint64_t packets, uint64_t bytes);

  std::vector<SourceInput> sources_;
  std::vector<OpenQueue> queues_open_;
  const bool live_;
  uint64_t next_ordinal_ = 0;
  std::vector<std::unique_ptr<SpscQueue<HandedBurst>>> queues_;
  std::vector<AtomicAccount> accounts_;
  std::vector<uint64_t> packets_, bytes_;  // of the burst in hand, by worker
  std::atomic<bool> finished_{false};
};

}  // namespace gatetape
