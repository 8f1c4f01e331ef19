// Intervals of time that may touch and overlap, as the fewest that cover the same instants. Both ends belong to an
// interval. Memory: one pair per interval that is left.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <vector>

namespace gatetape {

struct Interval {
  int64_t first_ns = 0, last_ns = 0;

  bool touches(const Interval& other) const { return first_ns <= other.last_ns && other.first_ns <= last_ns; }
  friend bool operator==(const Interval&, const Interval&) = default;
};

class IntervalSet {
 public:
  // Precondition: first_ns <= last_ns.
  void add(Interval added) {
    auto next = by_first_.upper_bound(added.first_ns);
    if (next != by_first_.begin()) {
      const auto before = std::prev(next);
      if (before->second >= added.first_ns - 1) next = before;
    }
    while (next != by_first_.end() && next->first - 1 <= added.last_ns) {
      added.first_ns = std::min(added.first_ns, next->first);
      added.last_ns = std::max(added.last_ns, next->second);
      next = by_first_.erase(next);
    }
    by_first_.emplace(added.first_ns, added.last_ns);
  }

  bool empty() const { return by_first_.empty(); }
  int64_t first_ns() const { return by_first_.begin()->first; }
  int64_t last_ns() const { return by_first_.rbegin()->second; }

  // The parts of it that lie in `whole`.
  std::vector<Interval> within(Interval whole) const {
    std::vector<Interval> out;
    for (const auto& [first, last] : by_first_) {
      if (last < whole.first_ns || first > whole.last_ns) continue;
      out.push_back({std::max(first, whole.first_ns), std::min(last, whole.last_ns)});
    }
    return out;
  }
  size_t size() const { return by_first_.size(); }

  std::vector<Interval> intervals() const {
    std::vector<Interval> out;
    for (const auto& [first, last] : by_first_) out.push_back({first, last});
    return out;
  }

  // The parts of `whole` that no interval covers, in order.
  std::vector<Interval> holes(Interval whole) const {
    std::vector<Interval> out;
    int64_t at = whole.first_ns;
    for (const auto& [first, last] : by_first_) {
      if (last < at) continue;
      if (first > whole.last_ns) break;
      if (first > at) out.push_back({at, first - 1});
      if (last >= whole.last_ns) return out;
      at = last + 1;
    }
    if (at <= whole.last_ns) out.push_back({at, whole.last_ns});
    return out;
  }

 private:
  std::map<int64_t, int64_t> by_first_;  // last_ns by first_ns
};

}  // namespace gatetape
