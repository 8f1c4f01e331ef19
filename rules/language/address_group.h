// The address and port groups of a rule header, resolved to plain sorted ranges. Variables, nesting and negation are
// gone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "packet/ip_address.h"

namespace gatetape {

struct RuleVariables;  // rules/language/load_report.h

struct AddressRange {
  IpAddress first, last;  // inclusive
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

// A set of addresses as disjoint ascending ranges that do not touch. IPv4 addresses lie in ::ffff:0:0/96, as in
// IpAddress.
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

// A set of ports, in the same form.
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

// An error in a group: its place, counted in bytes from the start of the text, and the reason.
struct GroupError {
  size_t position = 0;
  std::string message;
};

// Reads "any", "10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "$NAME", "!…" and "[a,b,!c]", also nested. Negated
// members of a list are taken out of the union of the others, or out of everything if there are no others.
tl::expected<AddressSet, GroupError> parse_address_group(std::string_view text, const RuleVariables& variables);
// Reads "any", "80", "1024:", ":1023" and "8000:8100", with the same lists, negations and variables.
tl::expected<PortSet, GroupError> parse_port_group(std::string_view text, const RuleVariables& variables);

}  // namespace gatetape
