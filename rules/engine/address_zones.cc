#include "rules/engine/address_zones.h"

#include <algorithm>
#include <map>

namespace gatetape {
namespace {

constexpr size_t kDividingSetsMax = 2;
constexpr double kDividingShareMin = 0.05;  // share of all sets; a rarer set is not worth databases of its own

// The next address; false after the last.
bool next(IpAddress& address) {
  for (size_t i = address.bytes.size(); i-- > 0;) {
    if (++address.bytes[i] != 0) return true;
  }
  return false;
}

IpAddress first_of(const AddressSet& set) {
  return set.empty() ? IpAddress{} : set.ranges().front().first;
}

struct SetCount {
  const AddressSet* set = nullptr;
  size_t count = 0;
};

std::vector<const AddressSet*> dividing_sets(const std::vector<const AddressSet*>& sets) {
  std::map<const AddressSet*, size_t> by_pointer;
  for (const AddressSet* set : sets) ++by_pointer[set];
  std::vector<SetCount> distinct;
  for (const auto& [set, count] : by_pointer) {
    if (set->is_all()) continue;
    const auto same = std::find_if(distinct.begin(), distinct.end(),
                                   [&wanted = *set](const SetCount& c) { return *c.set == wanted; });
    if (same == distinct.end()) {
      distinct.push_back({set, count});
    } else {
      same->count += count;
    }
  }
  std::sort(distinct.begin(), distinct.end(), [](const SetCount& a, const SetCount& b) {
    return a.count != b.count ? a.count > b.count : first_of(*a.set) < first_of(*b.set);
  });
  std::vector<const AddressSet*> chosen;
  for (const SetCount& candidate : distinct) {
    const bool often = static_cast<double>(candidate.count) >= kDividingShareMin * static_cast<double>(sets.size());
    if (often && chosen.size() < kDividingSetsMax) chosen.push_back(candidate.set);
  }
  return chosen;
}

}  // namespace

AddressZones AddressZones::of(const std::vector<const AddressSet*>& sets) {
  const std::vector<const AddressSet*> dividing = dividing_sets(sets);
  AddressZones zones;
  zones.starts_.push_back(IpAddress{});
  for (const AddressSet* set : dividing) {
    for (const AddressRange& range : set->ranges()) {
      zones.starts_.push_back(range.first);
      IpAddress after = range.last;
      if (next(after)) zones.starts_.push_back(after);
    }
  }
  std::sort(zones.starts_.begin(), zones.starts_.end());
  zones.starts_.erase(std::unique(zones.starts_.begin(), zones.starts_.end()), zones.starts_.end());

  std::map<unsigned, uint8_t> zone_of_membership;
  for (const IpAddress& start : zones.starts_) {
    unsigned membership = 0;
    for (size_t i = 0; i < dividing.size(); ++i) membership |= static_cast<unsigned>(dividing[i]->contains(start)) << i;
    const auto zone = zone_of_membership.emplace(membership, static_cast<uint8_t>(zone_of_membership.size())).first;
    zones.zones_.push_back(zone->second);
  }
  zones.count_ = zone_of_membership.size();
  return zones;
}

size_t AddressZones::zone_of(const IpAddress& address) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), address);
  return zones_[static_cast<size_t>(after - starts_.begin()) - 1];
}

bool AddressZones::meets(const AddressSet& set, size_t zone) const {
  for (const AddressRange& range : set.ranges()) {
    auto interval =
        static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), range.first) - starts_.begin()) - 1;
    for (; interval < starts_.size() && starts_[interval] <= range.last; ++interval) {
      if (zones_[interval] == zone) return true;
    }
  }
  return false;
}

}  // namespace gatetape
