#include "capture/session_account.h"

#include <algorithm>

#include "common/clock.h"

namespace gatetape {
namespace {

// A driver may take a while to tell its counters.
constexpr int64_t kPortAccountAge_ns = 100'000'000;

}  // namespace

void SessionAccount::begin(int64_t start_ns, bool live) {
  start_ns_ = start_ns;
  live_ = live;
}

PortAccount SessionAccount::ports() const {
  PortAccount sum;
  for (const auto& source : sources_) sum += source->account();
  return sum;
}

WorkerAccount SessionAccount::total() const {
  WorkerAccount sum;
  for (const auto& worker : workers_) sum += worker->account();
  return sum;
}

std::vector<WorkerAccount> SessionAccount::each_worker() const {
  std::vector<WorkerAccount> accounts;
  for (const auto& worker : workers_) accounts.push_back(worker->account());
  return accounts;
}

uint64_t SessionAccount::lost_by_outlets() const {
  uint64_t sum = 0;
  for (const Outlet* outlet : outlets_) sum += outlet->counts().lost_total();
  return sum;
}

// Worker 0 has what belongs to no worker, but for the ports.
AccountRecord SessionAccount::of_worker(size_t worker, int64_t now_ns) const {
  AccountRecord record;
  record.run_started_ns = start_ns_;
  record.worker = static_cast<uint16_t>(worker);
  record.of_file = !live_;
  record.worker_account = workers_[worker]->account(&record.timestamp_ns);
  if (live_) record.timestamp_ns = now_ns;
  if (worker == 0) {
    record.worker_account[Counter::kOutletsLost] = lost_by_outlets();
    record.worker_account[Counter::kClockSteps] = clock_steps_.load(std::memory_order_relaxed);
  }
  return record;
}

void SessionAccount::append_now(RecordBatch& batch) {
  if (!live_) return;
  last_ns_ = wall_clock_ns();
  for (size_t i = 0; i < workers_.size(); ++i) {
    AccountRecord record = of_worker(i, last_ns_);
    if (i == 0) record.port_account = ports();
    batch.append(record);
  }
}

void SessionAccount::append_last(RecordBatch& batch) {
  if (live_) return;
  std::vector<AccountRecord> records;
  for (const auto& worker : workers_) records.push_back(worker->account_by_packet_clock());
  records.front().worker_account[Counter::kOutletsLost] = lost_by_outlets();
  int64_t newest_ns = INT64_MIN;
  for (const AccountRecord& record : records) newest_ns = std::max(newest_ns, record.timestamp_ns);
  last_ns_ = newest_ns == INT64_MIN ? wall_clock_ns() : newest_ns;
  for (AccountRecord& record : records) {
    record.timestamp_ns = last_ns_;
    batch.append(record);
  }
}

std::vector<AccountRecord> SessionAccount::to_keep(bool last) {
  const int64_t now_ns = wall_clock_ns();
  if (last || now_ns < kept_ports_ns_ || now_ns - kPortAccountAge_ns >= kept_ports_ns_) {
    kept_ports_ = ports();
    kept_ports_ns_ = now_ns;
  }
  std::vector<AccountRecord> records;
  for (size_t i = 0; i < workers_.size(); ++i) {
    AccountRecord record = of_worker(i, now_ns);
    if (live_ && i == 0) record.port_account = kept_ports_;
    if (!live_) record.port_account = port_account_of_file(record.worker_account);
    if (last) record.timestamp_ns = last_ns_;
    records.push_back(record);
  }
  return records;
}

}  // namespace gatetape
