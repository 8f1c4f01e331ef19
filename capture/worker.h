// A worker: one thread on one core that takes bursts from its input and runs its Pipeline over them.
//
// It shares nothing with other workers. What others may read of it while it runs is the account, published as a copy
// after every burst or so; records and frames leave it through queues.
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
  // Takes packets from receive queue `options.worker` of each source; numbers them in its own order of arrival.
  Worker(const PipelineOptions& options, std::vector<SourceInput> sources, const PacketFilter& filter,
         std::shared_ptr<const RuleSet> rules, StoreWorker* store, bool live, bool records_wanted);
  // Takes what the distributor hands to worker `options.worker`.
  Worker(const PipelineOptions& options, Distributor& distributor, const PacketFilter& filter,
         std::shared_ptr<const RuleSet> rules, StoreWorker* store, bool live, bool records_wanted);

  // Starts the thread, on CPU `cpu` (negative: wherever the system likes). It ends when its input does
  // (Source::stop()).
  void start(int cpu);
  void join() { thread_.join(); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  // After finished(): how the source ended.
  const Result<void>& outcome() const { return outcome_; }

  // After join() and after the store was closed: brings the account up to what the store has settled since.
  void settle() { published_.publish(pipeline_.account()); }

  // After settle(), of a file: see Pipeline.
  AccountRecord account_by_packet_clock() const { return pipeline_.account_by_packet_clock(); }

  // Any thread, any time. With a distributor, what waits in the queue counts as received and in flight.
  WorkerAccount account() const;
  RecordOutlet& records() { return records_; }

 private:
  void run();
  Result<void> run_polling();
  void run_handed();
  void after_round(bool idle);

  std::vector<SourceInput> sources_;
  Distributor* distributor_ = nullptr;
  const unsigned index_;
  const bool live_;
  RecordOutlet records_;
  Pipeline pipeline_;
  PublishedAccount published_;
  uint64_t next_ordinal_ = 0;
  int64_t last_tick_ns_ = 0;
  std::thread thread_;
  Result<void> outcome_;
  std::atomic<bool> finished_{false};
};

}  // namespace gatetape
