#include "storage/query/rule_coverage.h"

#include <algorithm>

#include "common/time_text.h"

namespace gatetape {

void RuleCoverage::add(const RunRecord& record) {
  if (sids_.empty()) return;
  auto run = std::ranges::find(runs_, record.run_started_ns, &Run::started_ns);
  if (run == runs_.end()) {
    run = runs_.emplace(runs_.end());
    run->started_ns = record.run_started_ns;
  }
  run->of_file = record.of_file;
  if (record.ended) {
    run->ended_ns = record.timestamp_ns;
    return;
  }
  // A file's packets may be older than the run that read them.
  run->begun_ns = record.of_file ? INT64_MIN : record.timestamp_ns;
  const std::vector<uint32_t> loaded = sids_of(record);
  for (const uint64_t sid : sids_) {
    if (!std::ranges::binary_search(loaded, sid)) run->not_loaded.push_back(sid);
  }
}

std::vector<Shortfall> RuleCoverage::shortfalls(const TimeRange& range) const {
  std::vector<Shortfall> out;
  for (const Run& run : runs_) {
    if (!range.touches(run.begun_ns, run.ended_ns)) continue;
    for (const uint64_t sid : run.not_loaded) {
      out.push_back({"rule_not_loaded",
                     true,
                     0,
                     "",
                     Interval{run.begun_ns, std::max(run.begun_ns, run.ended_ns)},
                     fmt::format("the rule with sid {} was not loaded in the run of the sensor that began {}", sid,
                                 format_time(run.started_ns)),
                     {}});
    }
  }
  return out;
}

}  // namespace gatetape
