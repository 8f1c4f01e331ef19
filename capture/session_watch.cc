#include "capture/session_watch.h"

#include <fmt/format.h>

#include "common/clock.h"
#include "common/count_text.h"
#include "common/log.h"

namespace gatetape {

RecordBatch SessionWatch::links() {
  RecordBatch batch;
  links_.resize(sources_.size());
  for (size_t i = 0; i < sources_.size(); ++i) {
    const PortAccount now = sources_[i]->account();
    const uint64_t downs = now[PortCounter::kLinkDowns], before = links_[i][PortCounter::kLinkDowns];
    const bool down = now[PortCounter::kLinksDown] != 0, was_down = links_[i][PortCounter::kLinksDown] != 0;
    links_[i] = now;
    if (downs == before && down == was_down) continue;
    const std::vector<InterfaceInfo> interfaces = sources_[i]->interfaces();
    const std::string name = interfaces.empty() ? specs_[i] : interfaces.front().name;
    const std::string detail = fmt::format("{}: {} since the start", name, counted(downs, "time", "times"));
    const int64_t now_ns = wall_clock_ns();
    if (downs != before) batch.append(EventRecord{now_ns, kEventLinkDown, detail});
    if (!down) batch.append(EventRecord{now_ns, kEventLinkUp, name});
  }
  return batch;
}

RecordBatch SessionWatch::clock_step() {
  RecordBatch batch;
  const int64_t step_ns = clock_watch_.step_ns();
  if (step_ns == 0) return batch;
  const std::string detail = fmt::format("{:+.3f} s", static_cast<double>(step_ns) / kNanosecondsPerSecond);
  log_warning("the machine's clock was set: {}", detail);
  batch.append(EventRecord{wall_clock_ns(), kEventClockStepped, detail});
  return batch;
}

RecordBatch SessionWatch::outlet_losses() {
  RecordBatch batch;
  outlet_counts_.resize(outlets_.size());
  for (size_t i = 0; i < outlets_.size(); ++i) {
    OutletCounts now = outlets_[i]->counts();
    if (now.lost_total() > outlet_counts_[i].lost_total()) {
      const std::string detail = fmt::format("{}: {} records lost since the start", now.name, now.lost_text());
      batch.append(EventRecord{wall_clock_ns(), kEventOutletLost, detail});
    }
    outlet_counts_[i] = std::move(now);
  }
  return batch;
}

RecordBatch SessionWatch::account_failures(const AccountKeeper& keeper) {
  RecordBatch batch;
  const uint64_t failures = keeper.failures();
  if (failures == account_failures_) return batch;
  const std::string why = keeper.failure();
  if (account_failures_ == 0) log_warning("the account would not survive a kill: {}", why);
  account_failures_ = failures;
  const std::string detail = fmt::format("{} since the start: {}", counted(failures, "time", "times"), why);
  batch.append(EventRecord{wall_clock_ns(), kEventAccountNotKept, detail});
  return batch;
}

}  // namespace gatetape
