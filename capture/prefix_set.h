// PrefixSet tells whether an address lies in any of a set of networks. It costs one hash look-up per prefix length in
// use, however many networks there are. A set is immutable; any thread may ask it.
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

// Parses addresses and networks separated by commas: "10.9.0.100,2001:db8::/64". The error names the one that is wrong.
Result<std::vector<IpPrefix>> parse_prefix_list(std::string_view text);
// Reads a file with one address or network per line; '#' starts a comment. The error names file and line.
Result<std::vector<IpPrefix>> read_prefix_file(const std::string& path);

}  // namespace gatetape
