// Whether the rules that a question asks for by number were loaded while its time lasted. A rule that was not there
// could not alert: an answer without its alerts says nothing of that time.
#pragma once

#include <cstdint>
#include <vector>

#include "common/time_range.h"
#include "packet/records.h"
#include "storage/query/presence.h"

namespace gatetape {

class RuleCoverage {
 public:
  // The rules' numbers (sid).
  explicit RuleCoverage(std::vector<uint64_t> sids) : sids_(std::move(sids)) {}

  void add(const RunRecord& record);
  // One for each rule and run that touches the range without it.
  std::vector<Shortfall> shortfalls(const TimeRange& range) const;

 private:
  struct Run {
    int64_t started_ns = 0;
    bool of_file = false;
    int64_t begun_ns = INT64_MIN, ended_ns = INT64_MAX;
    std::vector<uint64_t> not_loaded;
  };
  std::vector<uint64_t> sids_;
  std::vector<Run> runs_;
};

}  // namespace gatetape
