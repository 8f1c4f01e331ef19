#include "capture/distributor.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "capture/backoff.h"

namespace gatetape {
namespace {

constexpr size_t kQueueBursts = 1024;

// Chooses a worker by the high bits of a flow's hash, because flow tables use the low ones.
unsigned worker_of(const DecodedPacket& decoded, unsigned workers) {
  return static_cast<unsigned>((uint64_t{decoded.flow_hash} * workers) >> 32);
}

}  // namespace

Distributor::Distributor(std::vector<SourceInput> sources, unsigned workers, bool live)
    : sources_(std::move(sources)), live_(live), accounts_(workers), packets_(workers), bytes_(workers) {
  for (const SourceInput& input : sources_) {
    for (unsigned queue = 0; queue < input.source->queue_count(); ++queue) queues_open_.push_back({&input, queue});
  }
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
  // Counted before the worker can see the burst, so that no more is taken than was handed.
  account.handed.fetch_add(packets);
  account.handed_bytes.fetch_add(bytes);
  while (!queues_[worker]->push(handed)) {
    if (live_) {
      account.handed.fetch_sub(packets);
      account.handed_bytes.fetch_sub(bytes);
      account.dropped.fetch_add(packets);
      account.dropped_bytes.fetch_add(bytes);
      done(handed);
      return;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
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
  // The distributor counts as a reader, so that the burst cannot go back while it is still being handed out.
  burst->readers.store(1, std::memory_order_relaxed);
  for (unsigned worker = 0; worker < workers; ++worker) {
    if (packets_[worker] == 0) continue;
    burst->readers.fetch_add(1, std::memory_order_relaxed);
    hand_to(worker, {burst, input.source}, packets_[worker], bytes_[worker]);
  }
  done({burst, input.source});
}

// Polls each open queue once. Files are read one after another, ports side by side.
Result<bool> Distributor::round() {
  bool idle = true;
  for (OpenQueue& queue : queues_open_) {
    if (queue.ended) continue;
    Result<PollResult> polled = queue.input->source->poll(queue.number);
    if (!polled) return pass_on(polled);
    if (polled->status == PollStatus::kPackets) {
      idle = false;
      hand_out(polled->burst, *queue.input);
    } else if (polled->status == PollStatus::kEnd) {
      queue.ended = true;
    }
    if (!live_ && !queue.ended) break;
  }
  return idle;
}

Result<void> Distributor::run() {
  Backoff backoff;
  Result<void> outcome;
  const auto open = [](const OpenQueue& queue) { return !queue.ended; };
  while (std::any_of(queues_open_.begin(), queues_open_.end(), open)) {
    Result<bool> idle = round();
    if (!idle) {
      outcome = pass_on(idle);
      break;
    }
    rounds_.store(rounds_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    *idle ? backoff.wait() : backoff.reset();
  }
  finished_.store(true, std::memory_order_release);
  return outcome;
}

}  // namespace gatetape
