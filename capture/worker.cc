#include "capture/worker.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include "capture/backoff.h"
#include "common/clock.h"
#include "common/thread_name.h"

namespace gatetape {
namespace {

constexpr int64_t kTickInterval_ns = 20'000'000;

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // Pinning fails when the CPU went away meanwhile. The thread then runs wherever the system puts it, only slower.
  (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

}  // namespace

Worker::Worker(const PipelineOptions& options, std::vector<SourceInput> sources, const PacketFilter& filter,
               std::shared_ptr<const RuleSet> rules, StoreWorker* store, bool live, bool records_wanted)
    : sources_(std::move(sources)),
      index_(options.worker),
      live_(live),
      records_(records_wanted, live),
      pipeline_(options, filter, std::move(rules), store, records_) {}

Worker::Worker(const PipelineOptions& options, Distributor& distributor, const PacketFilter& filter,
               std::shared_ptr<const RuleSet> rules, StoreWorker* store, bool live, bool records_wanted)
    : distributor_(&distributor),
      index_(options.worker),
      live_(live),
      records_(records_wanted, live),
      pipeline_(options, filter, std::move(rules), store, records_) {}

void Worker::start(int cpu) {
  thread_ = std::thread([this, cpu] {
    name_this_thread(fmt::format("gt-worker-{}", index_).c_str());
    if (cpu >= 0) pin_to(cpu);
    run();
  });
}

void Worker::run() {
  if (distributor_ != nullptr) {
    run_handed();
  } else {
    outcome_ = run_polling();
  }
  pipeline_.finish();
  publish();
  finished_.store(true, std::memory_order_release);
}

Result<void> Worker::run_polling() {
  Backoff backoff;
  std::vector<bool> ended(sources_.size(), false);
  for (size_t open = sources_.size(); open > 0;) {
    bool idle = true;
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (ended[i]) continue;
      Result<PollResult> polled = sources_[i].source->poll(index_);
      if (!polled) return pass_on(polled);
      if (polled->status == PollStatus::kEnd) {
        ended[i] = true;
        --open;
      } else if (polled->status == PollStatus::kPackets) {
        idle = false;
        Burst* burst = polled->burst;
        for (uint32_t p = 0; p < burst->count; ++p) {
          Packet& packet = burst->packets[p];
          packet.ordinal = next_ordinal_++;
          packet.interface_id = static_cast<uint16_t>(packet.interface_id + sources_[i].first_interface);
        }
        pipeline_.process(*burst);
        sources_[i].source->release(burst);
      }
      if (!live_) break;  // files are read one after another
    }
    after_round(idle);
    idle ? backoff.wait() : backoff.reset();
  }
  return {};
}

void Worker::run_handed() {
  Backoff backoff;
  for (;;) {
    // Asked before next(), which then sees all that was pushed before the distributor finished.
    const bool last = distributor_->finished();
    const HandedBurst handed = distributor_->next(index_);
    if (handed.burst != nullptr) {
      pipeline_.process_marked(*handed.burst);
      Distributor::done(handed);
    } else if (last) {
      return;
    }
    after_round(handed.burst == nullptr);
    handed.burst == nullptr ? backoff.wait() : backoff.reset();
  }
}

void Worker::after_round(bool idle) {
  rounds_.store(rounds_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  const int64_t now_ns = monotonic_clock_ns();
  if (!idle && now_ns - last_tick_ns_ < kTickInterval_ns) return;
  if (now_ns - last_tick_ns_ < kTickInterval_ns / 4) return;
  last_tick_ns_ = now_ns;
  pipeline_.tick(now_ns, live_ ? wall_clock_ns() : 0);
  publish();
}

void Worker::publish() {
  published_.publish(pipeline_.account(), pipeline_.newest_ns());
}

WorkerAccount Worker::account(int64_t* newest_ns) const {
  WorkerAccount account = published_.read(newest_ns);
  if (distributor_ == nullptr) return account;
  const HandedAccount handed = distributor_->account(index_);
  // Read in this order, so that no more was taken than was handed.
  account[Counter::kInFlight] += handed.handed - account[Counter::kReceived];
  account[Counter::kReceived] = handed.handed + handed.dropped;
  account[Counter::kReceivedBytes] = handed.handed_bytes + handed.dropped_bytes;
  account[Counter::kDroppedWorkerQueueFull] += handed.dropped;
  return account;
}

}  // namespace gatetape
