// The account of a time range, from the records that the sensor stores every second. The records hold totals since the
// start of a run; a span adds up the differences over the seconds that touch the range, over all runs.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "common/time_range.h"
#include "packet/records.h"

namespace gatetape {

// Losses of packets that were on their way to the disk: they are counted when their frame is given up, and so a while
// after the packets came.
inline constexpr std::array kLateLosses{Counter::kDroppedStoreQueueFull, Counter::kDroppedStoreFailed,
                                        Counter::kDroppedKilled};
// So many of the packets that were handed to the store have met their fate by then.
uint64_t decided(const WorkerAccount& account);

class AccountSpan {
 public:
  AccountSpan() = default;
  explicit AccountSpan(const TimeRange& range) : range_(range) {}

  // Records of a run in the order written, also those from shortly before and after the range: they bound its first and
  // last second. One that was added before, or is older than one, changes nothing.
  void add(const AccountRecord& record);

  WorkerAccount worker() const;  // all workers
  PortAccount port() const;
  uint64_t records() const { return records_; }  // that touched the range
  int64_t last_ns() const { return last_ns_; }   // when the sensor last reported; INT64_MIN: never
  uint64_t runs() const { return runs_.size(); }
  // The totals of the run that began last, since its start, over all workers.
  WorkerAccount last_run_worker() const;
  PortAccount last_run_port() const;
  bool last_run_of_file() const {
    return !runs_.empty() && runs_.rbegin()->second.of_file;
  }  // its source was a file, which no driver can miss packets of

  // How long before and after a range its bounding records may lie.
  static constexpr int64_t kMarginNanoseconds = 3'000'000'000;

 private:
  struct Totals {
    WorkerAccount worker;
    PortAccount port;
  };
  struct Worker {
    Totals before;  // where the range begins
    Totals latest;
    int64_t latest_ns = INT64_MIN;
    uint64_t received = 0;  // in the latest record, also of one beyond the range
    uint64_t awaited = 0;   // packets that had been handed to the store where the range ends
  };
  struct Run {
    bool of_file = false;
    std::map<uint16_t, Worker> workers;
  };

  static WorkerAccount settled(const Run& run, WorkerAccount account);
  static void settle_later(Worker& worker, const WorkerAccount& later);

  TimeRange range_;
  std::map<int64_t, Run> runs_;  // by run_started_ns
  uint64_t records_ = 0;
  int64_t last_ns_ = INT64_MIN;
};

}  // namespace gatetape
