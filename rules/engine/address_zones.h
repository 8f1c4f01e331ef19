// Zones divide addresses as far as rules care. Two addresses are in the same zone when each of the address groups that
// most rules use ($HOME_NET and its complement, as a rule) contains both or neither. Rules are grouped by the zones of
// source and destination, so that traffic is not searched for rules that its addresses exclude.
//
// Immutable once built; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "rules/language/address_group.h"

namespace gatetape {

class AddressZones {
 public:
  static constexpr size_t kZonesMax = 4;

  // Chooses the groups by how many of `sets` are equal; a set that holds every address divides nothing.
  static AddressZones of(const std::vector<const AddressSet*>& sets);

  size_t count() const { return count_; }
  size_t zone_of(const IpAddress& address) const;
  // Whether the set has any address in the zone.
  bool meets(const AddressSet& set, size_t zone) const;

 private:
  std::vector<IpAddress> starts_;  // intervals that cover all addresses, ascending
  std::vector<uint8_t> zones_;     // by interval
  size_t count_ = 1;
};

}  // namespace gatetape
