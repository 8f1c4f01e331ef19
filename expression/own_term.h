// The names that Gatetape adds to libpcap's language, and terms made of them. Fields of records are
// rows of packet/record_fields.cc and need nothing here. Any other new name is one row of kOwnNames in own_term.cc, a
// member of OwnName, and the place that answers it: expression_match.cc for packets, expression_records.cc for records.
// Pure functions; any thread may call them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "packet/ip_address.h"
#include "packet/record_fields.h"

namespace gatetape {

enum class OwnName : uint8_t {
  kAnyHost,      // any.host 10.0.0.0/8: either address of the packet
  kAnyPort,      // any.port 443
  kVlanId,       // vlan.id 12: any of the packet's VLAN tags
  kFlowId,       // flow_id 1234
  kCommunityId,  // community_id "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
  kSid,          // sid 2019401: connections in which this rule alerted
  kField,        // http.host == "shop.example.com": connections with such a record (packet/record_fields.h)
};

// Operators: == or =, !=, <, <=, >, >= and `contains`.
enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kContains };

// One term, e.g. `http.status >= 500`. Its value is in the member that belongs to its name.
struct OwnTerm {
  OwnName name = OwnName::kAnyHost;
  Comparison comparison = Comparison::kEqual;
  uint64_t number = 0;            // any.port, vlan.id, flow_id, sid; a field that is a number, in its own unit
  bool is_number = true;          // false: the text after a field's name is none
  IpPrefix prefix;                // any.host
  std::string text;               // the others
  std::optional<FieldRef> field;  // kField

  // Return whether the term holds for a value that a packet or record has. Prefixes are compared by their users.
  bool holds(uint64_t value) const;
  bool holds(std::string_view value) const;
  bool holds(const FieldValue& value) const;  // false where there is none
};

// An own name as it is written, and the values that it takes.
struct OwnNameInfo {
  enum class Value : uint8_t { kNumber, kPrefix, kText, kField, kUnsupported };
  std::string_view word;
  OwnName name = OwnName::kField;
  Value value = Value::kField;
  uint64_t number_max = 0;  // kNumber
  std::optional<FieldRef> field = {};
  // Other programs may mean something else by the word: it is an own name only where it is compared with something.
  bool needs_comparison = false;

  bool allows(Comparison comparison) const;
};

// Returns the own name that a word is, or nothing when it is none. Names that are planned have Value::kUnsupported. The
// result has a view of `word`.
std::optional<OwnNameInfo> find_own_name(std::string_view word);

// Returns the operator that a word is, or nothing when it is none.
std::optional<Comparison> comparison_of(std::string_view word);

}  // namespace gatetape
