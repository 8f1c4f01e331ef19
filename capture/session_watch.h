// SessionWatch notices what happens beside the packets and tells it as event records: a link that goes down or comes
// up, the machine's clock that is set, records that an outlet lost, an account that cannot be kept. Each call returns
// what is new since the one before. Belongs to the session's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture/account_keeper.h"
#include "capture/clock_watch.h"
#include "capture/sources/source.h"
#include "export/outlet.h"
#include "packet/account.h"
#include "packet/records.h"

namespace gatetape {

class SessionWatch {
 public:
  // All lists are the session's and outlive this object. `specs`: the sources in the words of the command line.
  SessionWatch(const std::vector<std::unique_ptr<Source>>& sources, const std::vector<std::string>& specs,
               const std::vector<Outlet*>& outlets)
      : sources_(sources), specs_(specs), outlets_(outlets) {}

  // A port whose link is down sees nothing of what is on the wire. The account has it each second; here it is told
  // when.
  RecordBatch links();
  // A clock that is set makes times of packets doubtful on both sides of the step. Empty: it was not.
  RecordBatch clock_step();
  // The store keeps when an outlet lost records; the outlet's own readers find it in the outlet.
  RecordBatch outlet_losses();
  RecordBatch account_failures(const AccountKeeper& keeper);

  // The outlets' counts as of the last outlet_losses().
  const std::vector<OutletCounts>& outlet_counts() const { return outlet_counts_; }

 private:
  const std::vector<std::unique_ptr<Source>>& sources_;
  const std::vector<std::string>& specs_;
  const std::vector<Outlet*>& outlets_;
  ClockWatch clock_watch_{system_clock()};
  std::vector<PortAccount> links_;  // by source
  std::vector<OutletCounts> outlet_counts_;
  uint64_t account_failures_ = 0;
};

}  // namespace gatetape
