#include "capture/distributor.h"

#include <chrono>
#include <thread>

#include "capture/backoff.h"

namespace gatetape {
namespace {

constexpr size_t kQueueBursts = 1024;

// Flows with the same hash modulo the workers share one; the high bits, since a flow table uses the low ones.
unsigned worker_of(const DecodedPacket& decoded, unsigned workers) {
  return static_cast<unsigned>((uint64_t{decoded.flow_hash} * workers) >> 32);
}

}  // namespace

Distributor::Distributor(std::vector<SourceInput> sources, unsigned workers, bool live)
    : sources_(std::move(sources)), live_(live), accounts_(workers), packets_(workers), bytes_(workers) {
  for (unsigned i = 0; i < workers; ++i) queues_.push_back(std::make_unique<SpscQueue<HandedBurst>>(kQueueBursts));
}

void Distributor::done(const HandedBurst& handed) {
  if (handed.burst->readers.fetch_sub(1, std::memory_order_acq_rel) == 1) handed.source->release(handed.burst);
}

HandedAccount Distributor::account(unsigned worker) const {
  const AtomicAccount& a = accounts_[worker];
  return {a.handed.load(), a.handed_bytes.load(), a.dropped.load(), a.dropped_bytes.load()};
}

void Distributor::hand_to(unsigned worker, HandedBurst handed, uint64_t packets, uint64_t bytes) {
  AtomicAccount& account = accounts_[worker];
  while (!queues_[worker]->push(handed)) {
    if (live_) {
      account.dropped.fetch_add(packets, std::memory_order_relaxed);
      account.dropped_bytes.fetch_add(bytes, std::memory_order_relaxed);
      done(handed);
      return;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  account.handed.fetch_add(packets, std::memory_order_relaxed);
  account.handed_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void Distributor::hand_out(Burst* burst, const SourceInput& input) {
  const auto workers = static_cast<unsigned>(queues_.size());
  packets_.assign(workers, 0);
  bytes_.assign(workers, 0);
  for (uint32_t i = 0; i < burst->count; ++i) {
    burst->packets[i].ordinal = next_ordinal_++;
    burst->packets[i].interface_id = static_cast<uint16_t>(burst->packets[i].interface_id + input.first_interface);
    decode(burst->packets[i], burst->decoded[i]);
    const unsigned worker = worker_of(burst->decoded[i], workers);
    burst->worker[i] = static_cast<uint8_t>(worker);
    ++packets_[worker];
    bytes_[worker] += burst->packets[i].wire_length;
  }
  // One reader more than there are, so that the burst cannot go back while it is still being handed out.
  burst->readers.store(1, std::memory_order_relaxed);
  for (unsigned worker = 0; worker < workers; ++worker) {
    if (packets_[worker] == 0) continue;
    burst->readers.fetch_add(1, std::memory_order_relaxed);
    hand_to(worker, {burst, input.source}, packets_[worker], bytes_[worker]);
  }
  done({burst, input.source});
}

Result<void> Distributor::run() {
  Backoff backoff;
  Result<void> outcome;
  std::vector<bool> ended(sources_.size(), false);
  size_t open = sources_.size();
  while (open > 0 && outcome) {
    bool idle = true;
    for (size_t i = 0; i < sources_.size() && outcome; ++i) {
      for (unsigned queue = 0; !ended[i] && queue < sources_[i].source->queue_count(); ++queue) {
        Result<PollResult> polled = sources_[i].source->poll(queue);
        if (!polled) {
          outcome = pass_on(polled);
          break;
        }
        if (polled->status == PollStatus::kPackets) {
          idle = false;
          hand_out(polled->burst, sources_[i]);
        } else if (polled->status == PollStatus::kEnd) {
          ended[i] = true;
          --open;
        }
      }
      if (!live_ && !ended[i]) break;  // files are read one after another
    }
    idle ? backoff.wait() : backoff.reset();
  }
  finished_.store(true, std::memory_order_release);
  return outcome;
}

}  // namespace gatetape
