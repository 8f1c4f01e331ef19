// Worker is one thread on one core that takes bursts from its input and runs its Pipeline over them.
//
// Workers share nothing. While a worker runs, other threads may read its account, a copy of which it publishes about
// once per burst. Records and the store's frames leave it through queues.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "capture/distributor.h"
#include "capture/pipeline.h"
#include "capture/published_account.h"
#include "capture/sources/source.h"

namespace gatetape {

class Worker {
 public:
  // Makes a worker that polls receive queue `options.worker` of each source. It numbers packets in order of arrival.
  Worker(const PipelineOptions& options, std::vector<SourceInput> sources, const PacketFilter& filter,
         std::shared_ptr<const RuleSet> rules, StoreWorker* store, bool live, bool records_wanted);
  // Makes a worker that takes the bursts which the distributor hands to worker `options.worker`.
  Worker(const PipelineOptions& options, Distributor& distributor, const PacketFilter& filter,
         std::shared_ptr<const RuleSet> rules, StoreWorker* store, bool live, bool records_wanted);

  // Starts the thread on the given CPU, or wherever the system likes if `cpu` is negative. The thread ends when its
  // input ends (Source::stop()).
  void start(int cpu);
  void join() { thread_.join(); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  // Returns how often the worker has looked for packets; it grows as long as the thread is alive. Any thread.
  uint64_t rounds() const { return rounds_.load(std::memory_order_acquire); }
  // Returns how the source ended. Precondition: finished().
  const Result<void>& outcome() const { return outcome_; }

  // Brings the account up to date with the packets that the store has settled. Called after join() and Store::settle().
  void settle() { publish(); }

  // See Pipeline. Called after settle(), for files only.
  AccountRecord account_by_packet_clock() const { return pipeline_.account_by_packet_clock(); }

  // Any thread, at any time. Packets that wait in the distributor's queue count as received and in flight. Sets
  // `newest_ns`, where it is given, to the time of the newest packet that the worker took; INT64_MIN: it took none.
  WorkerAccount account(int64_t* newest_ns = nullptr) const;
  RecordOutlet& records() { return records_; }

 private:
  void run();
  Result<void> run_polling();
  void run_handed();
  void after_round(bool idle);
  void publish();

  std::vector<SourceInput> sources_;
  Distributor* distributor_ = nullptr;
  const unsigned index_;
  const bool live_;
  RecordOutlet records_;
  Pipeline pipeline_;
  PublishedAccount published_;
  uint64_t next_ordinal_ = 0;
  int64_t last_tick_ns_ = 0;
  std::atomic<uint64_t> rounds_{0};
  std::thread thread_;
  Result<void> outcome_;
  std::atomic<bool> finished_{false};
};

}  // namespace gatetape
