// SessionAccount is the account of one session: what its workers, ports and outlets have counted so far, as sums and as
// the records that the store keeps. It only reads what others publish.
//
// Belongs to the session's thread; to_keep() alone is called on the account keeper's.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "capture/sources/source.h"
#include "capture/worker.h"
#include "export/outlet.h"
#include "packet/account.h"
#include "packet/records.h"

namespace gatetape {

class SessionAccount {
 public:
  // The three lists are the session's, are filled before anything is asked, and outlive this object. `start_ns`: wall
  // time of the session's start, by which its records name it. `live`: its sources are ports, not files.
  SessionAccount(const std::vector<std::unique_ptr<Source>>& sources,
                 const std::vector<std::unique_ptr<Worker>>& workers, const std::vector<Outlet*>& outlets)
      : sources_(sources), workers_(workers), outlets_(outlets) {}
  void begin(int64_t start_ns, bool live);

  PortAccount ports() const;
  WorkerAccount total() const;
  std::vector<WorkerAccount> each_worker() const;
  uint64_t lost_by_outlets() const;

  // The machine's clock was set once more.
  void count_clock_step() { clock_steps_.fetch_add(1, std::memory_order_relaxed); }

  // Appends the accounts of ports as of now. Appends none for files: their workers report themselves, by packet time.
  void append_now(RecordBatch& batch);
  // Appends the last accounts of files, dated by the last packet that any worker had. Called once all is stored;
  // appends none for ports.
  void append_last(RecordBatch& batch);
  // The time of the last account that was appended.
  int64_t last_ns() const { return last_ns_; }

  // The account as it is to survive a kill, a record for each worker. `last`: the run has ended and all is settled.
  std::vector<AccountRecord> to_keep(bool last);

 private:
  AccountRecord of_worker(size_t worker, int64_t now_ns) const;

  const std::vector<std::unique_ptr<Source>>& sources_;
  const std::vector<std::unique_ptr<Worker>>& workers_;
  const std::vector<Outlet*>& outlets_;
  int64_t start_ns_ = 0;
  bool live_ = false;
  std::atomic<uint64_t> clock_steps_{0};
  int64_t last_ns_ = 0;
  PortAccount kept_ports_;  // the keeper's thread
  int64_t kept_ports_ns_ = INT64_MIN;
};

}  // namespace gatetape
