// The address and port groups of a rule header, resolved to plain sorted ranges: variables, nesting and negation are
// gone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "packet/ip_address.h"

namespace gatetape {

struct RuleVariables;  // rules/engine/rule_set.h

struct AddressRange {
  IpAddress first, last;  // inclusive
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

// A set of addresses: disjoint ranges, ascending, none touching the next. IPv4 lies in ::ffff:0:0/96, as IpAddress has
// it.
class AddressSet {
 public:
  AddressSet() = default;  // empty
  static AddressSet all();
  // The union of any ranges in any order.
  static AddressSet of(std::vector<AddressRange> ranges);

  bool is_all() const;
  bool empty() const { return ranges_.empty(); }
  bool contains(const IpAddress& address) const;  // binary search
  const std::vector<AddressRange>& ranges() const { return ranges_; }

  AddressSet complement() const;
  AddressSet minus(const AddressSet& other) const;

  friend bool operator==(const AddressSet&, const AddressSet&) = default;

 private:
  std::vector<AddressRange> ranges_;
};

struct PortRange {
  uint16_t first = 0, last = 0;  // inclusive
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

// The same for ports.
class PortSet {
 public:
  PortSet() = default;
  static PortSet all();
  static PortSet of(std::vector<PortRange> ranges);

  bool is_all() const;
  bool empty() const { return ranges_.empty(); }
  bool contains(uint16_t port) const;
  const std::vector<PortRange>& ranges() const { return ranges_; }

  PortSet complement() const;
  PortSet minus(const PortSet& other) const;

  friend bool operator==(const PortSet&, const PortSet&) = default;

 private:
  std::vector<PortRange> ranges_;
};

// Where in the text a group is wrong, counted in bytes from its start, and why.
struct GroupError {
  size_t position = 0;
  std::string message;
};

// "any", "10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "$NAME", "!…", "[a,b,!c]", nested. In a list, what is negated
// is taken out of the union of the rest; a list of negations alone is taken out of everything.
tl::expected<AddressSet, GroupError> parse_address_group(std::string_view text, const RuleVariables& variables);
// "any", "80", "1024:", ":1023", "8000:8100", with the same lists, negations and variables.
tl::expected<PortSet, GroupError> parse_port_group(std::string_view text, const RuleVariables& variables);

}  // namespace gatetape
