// Traffic of which the sensor could make no records, or not all: a question that records answer may miss packets of it.
// The account counts some of it, to the second; flows show the rest.
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "common/interval_set.h"
#include "common/time_range.h"
#include "packet/records.h"
#include "storage/query/presence.h"

namespace gatetape {

// Flows whose contents nobody looked into. Add all flow records that touch the range, then ask. Memory: constant.
class InspectionCoverage {
 public:
  InspectionCoverage() = default;
  explicit InspectionCoverage(const TimeRange& range) : range_(range) {}

  void add(const FlowRecord& flow);
  std::vector<Shortfall> shortfalls() const;

 private:
  struct Kind {
    uint64_t flows = 0;
    Interval when;
  };
  TimeRange range_;
  std::map<size_t, Kind> kinds_;  // by place in the table of kinds
};

}  // namespace gatetape
