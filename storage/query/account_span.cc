#include "storage/query/account_span.h"

#include <algorithm>
#include <utility>

namespace gatetape {

uint64_t decided(const WorkerAccount& account) {
  uint64_t sum = account[Counter::kStored];
  for (const Counter loss : kLateLosses) sum += account[loss];
  return sum;
}

// Packets that were on their way to the disk where the range ends may be lost, and only later accounts tell. They may
// tell of some packets too many: of those that came between the two.
void AccountSpan::settle_later(Worker& worker, const WorkerAccount& later) {
  WorkerAccount& latest = worker.latest.worker;
  if (decided(latest) >= worker.awaited) return;
  for (const Counter loss : kLateLosses) {
    const uint64_t more = later[loss] - std::min(later[loss], latest[loss]);
    latest[loss] += more;
    latest[Counter::kInFlight] -= std::min(more, latest[Counter::kInFlight]);
  }
  const uint64_t stored = later[Counter::kStored] - std::min(later[Counter::kStored], latest[Counter::kStored]);
  const uint64_t of_these = std::min(stored, latest[Counter::kInFlight]);
  latest[Counter::kStored] += of_these;
  latest[Counter::kInFlight] -= of_these;
}

void AccountSpan::add(const AccountRecord& record) {
  Run& of = runs_[record.run_started_ns];
  of.of_file = record.of_file;
  last_ns_ = std::max(last_ns_, record.timestamp_ns);
  Worker& run = of.workers[record.worker];
  if (is_repeated(record, run.received, run.latest_ns)) {
    // The last word about one moment counts: what outlets lost at the very end is known after the packets are.
    const bool same_moment =
        record.timestamp_ns == run.latest_ns && record.worker_account[Counter::kReceived] == run.received;
    if (same_moment) run.latest = {record.worker_account, record.port_account};
    return;
  }
  run.received = record.worker_account[Counter::kReceived];
  const bool bounded = range_.until_ns && run.latest_ns >= *range_.until_ns;
  if (bounded) return settle_later(run, record.worker_account);
  run.latest = {record.worker_account, record.port_account};
  run.awaited = decided(record.worker_account) + record.worker_account[Counter::kInFlight];
  run.latest_ns = record.timestamp_ns;
  if (range_.since_ns && record.timestamp_ns <= *range_.since_ns) {
    run.before = run.latest;
  } else {
    ++records_;
  }
}

// A file waits for its store: packets on their way to the disk are as good as stored, however far the clock of the
// packets runs ahead. Presence (storage/query/presence.h) says when they never arrived.
WorkerAccount AccountSpan::settled(const Run& run, WorkerAccount account) {
  if (run.of_file) account[Counter::kStored] += std::exchange(account[Counter::kInFlight], 0);
  return account;
}

WorkerAccount AccountSpan::worker() const {
  WorkerAccount sum;
  for (const auto& [started, run] : runs_) {
    for (const auto& [number, worker] : run.workers) {
      // Packets on their way are part of the balance of a run up to its last word.
      const WorkerAccount latest = range_.until_ns ? settled(run, worker.latest.worker) : worker.latest.worker;
      sum += difference(latest, settled(run, worker.before.worker));
      if (!range_.until_ns) sum[Counter::kInFlight] += latest[Counter::kInFlight];
    }
  }
  return sum;
}

PortAccount AccountSpan::port() const {
  PortAccount sum;
  for (const auto& [started, run] : runs_) {
    for (const auto& [number, worker] : run.workers) sum += difference(worker.latest.port, worker.before.port);
  }
  return sum;
}

WorkerAccount AccountSpan::last_run_worker() const {
  WorkerAccount sum;
  if (runs_.empty()) return sum;
  for (const auto& [number, worker] : runs_.rbegin()->second.workers) sum += worker.latest.worker;
  return sum;
}

PortAccount AccountSpan::last_run_port() const {
  PortAccount sum;
  if (runs_.empty()) return sum;
  for (const auto& [number, worker] : runs_.rbegin()->second.workers) sum += worker.latest.port;
  return sum;
}

}  // namespace gatetape
