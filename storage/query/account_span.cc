#include "storage/query/account_span.h"

#include <algorithm>
#include <utility>

namespace gatetape {

void AccountSpan::end_run() {
  if (current_.empty()) return;
  for (const auto& [worker, run] : current_) {
    finished_.worker += difference(run.latest.worker, run.before.worker);
    finished_.port += difference(run.latest.port, run.before.port);
  }
  current_.clear();
  ++runs_ended_;
}

void AccountSpan::add(const AccountRecord& record) {
  if (record.run_started_ns != run_started_ns_) end_run();
  run_started_ns_ = record.run_started_ns;
  of_file_ = record.of_file;
  last_ns_ = std::max(last_ns_, record.timestamp_ns);
  Run& run = current_[record.worker];
  const bool bounded = range_.until_ns && run.latest_ns >= *range_.until_ns;
  if (bounded) return;
  run.latest = {record.worker_account, record.port_account};
  if (record.of_file) {
    // A file waits for its store: packets on their way to the disk are as good as stored, however far the clock of the
    // packets runs ahead. Presence (storage/query/presence.h) says when they never arrived.
    WorkerAccount& account = run.latest.worker;
    account[Counter::kStored] += std::exchange(account[Counter::kInFlight], 0);
  }
  run.latest_ns = record.timestamp_ns;
  if (range_.since_ns && record.timestamp_ns <= *range_.since_ns) {
    run.before = run.latest;
  } else {
    ++records_;
  }
}

WorkerAccount AccountSpan::worker() const {
  WorkerAccount sum = finished_.worker;
  for (const auto& [worker, run] : current_) sum += difference(run.latest.worker, run.before.worker);
  return sum;
}

PortAccount AccountSpan::port() const {
  PortAccount sum = finished_.port;
  for (const auto& [worker, run] : current_) sum += difference(run.latest.port, run.before.port);
  return sum;
}

WorkerAccount AccountSpan::last_run_worker() const {
  WorkerAccount sum;
  for (const auto& [worker, run] : current_) sum += run.latest.worker;
  return sum;
}

PortAccount AccountSpan::last_run_port() const {
  PortAccount sum;
  for (const auto& [worker, run] : current_) sum += run.latest.port;
  return sum;
}

}  // namespace gatetape
