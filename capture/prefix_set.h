// A set of IP networks that answers "is this address in any of them": one hash look-up per prefix length in use,
// whatever the number of networks. Immutable after building; any thread.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "common/result.h"
#include "packet/ip_address.h"

namespace gatetape {

class PrefixSet {
 public:
  PrefixSet() = default;
  explicit PrefixSet(const std::vector<IpPrefix>& prefixes);

  bool empty() const { return by_length_.empty(); }
  bool contains(const IpAddress& address) const;

 private:
  struct Hash {
    size_t operator()(const IpAddress& address) const;
  };
  struct Length {
    uint8_t length;
    std::unordered_set<IpAddress, Hash> networks;
  };
  std::vector<Length> by_length_;
};

// "10.9.0.100,2001:db8::/64": addresses and networks separated by commas. The error names the one that is wrong.
Result<std::vector<IpPrefix>> parse_prefix_list(std::string_view text);
// One address or network per line; '#' starts a comment. The error names file and line.
Result<std::vector<IpPrefix>> read_prefix_file(const std::string& path);

}  // namespace gatetape
