// Counts how often rules have fired, for `threshold` and `detection_filter`: one count per rule and tracked address (or
// rule, or flow).
//
// Counts span flows. To be exact they need one owner for the whole sensor; with a table in each matcher they are exact
// only when there is one worker. A question holds all of its facts in one value, so that it can become a message to the
// worker that owns the tracked address.
//
// There are at most kEntriesMax counts. A new one takes the place of the one in its bucket that was used longest ago.
#pragma once

#include <cstdint>
#include <vector>

#include "packet/ip_address.h"
#include "rules/language/rule.h"

namespace gatetape {

struct ThresholdQuestion {
  const Threshold* threshold = nullptr;
  uint32_t rule = 0;  // index in the rule set
  uint64_t flow_id = 0;
  IpAddress source, destination;
  int64_t timestamp_ns = 0;
};

class ThresholdTable {
 public:
  static constexpr size_t kEntriesMax = 1u << 16;

  // Counts one more match and says whether it is to be reported.
  bool count_and_ask(const ThresholdQuestion& question);

  uint64_t evicted() const { return evicted_; }

 private:
  static constexpr size_t kWays = 8;
  struct Entry {
    IpAddress first, second;
    uint64_t flow_id = 0;
    uint32_t rule = UINT32_MAX;  // none
    uint32_t count = 0;
    uint64_t next_report = 0;  // backoff
    int64_t start_ns = 0;
    uint64_t used = 0;
  };
  Entry& find(const Entry& key, bool& created);

  std::vector<Entry> entries_;  // allocated with the first question
  uint64_t clock_ = 0;
  uint64_t evicted_ = 0;
};

}  // namespace gatetape
