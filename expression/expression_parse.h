// The text of an expression as a tree: which parts are names of our own, and which are libpcap's business. Pure
// functions over a short text from the command line; any thread. Nesting is limited to kExpressionDepthMax.
//
// The grammar around libpcap's primitives is libpcap's own (pcap-filter(7)): `and`/`&&` and `or`/`||` have equal
// precedence and group from left to right; `not`/`!` binds tighter; parentheses group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "expression/endpoint_condition.h"
#include "packet/ip_address.h"

namespace gatetape {

inline constexpr int kExpressionDepthMax = 100;

enum class OwnName : uint8_t {
  kAnyHost,      // any.host 10.0.0.0/8: an address of the packet, at whatever layer it was decoded
  kAnyPort,      // any.port 443
  kVlanId,       // vlan.id 12: any of the packet's VLAN tags
  kFlowId,       // flow_id 1234
  kCommunityId,  // community_id "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
  kSid,          // sid 2019401: connections in which this rule alerted
  kHttpHost,     // http.host == "shop.example.com": connections that carried such a transaction
  kHttpStatus,
  kHttpUri,
  kHttpMethod,
};
const char* to_string(OwnName name);
inline bool is_http(OwnName name) {
  return name >= OwnName::kHttpHost;
}

enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kContains };

struct OwnTerm {
  OwnName name = OwnName::kAnyHost;
  Comparison comparison = Comparison::kEqual;
  uint64_t number = 0;  // kAnyPort, kVlanId, kFlowId, kSid, kHttpStatus
  IpPrefix prefix;      // kAnyHost
  std::string text;     // the others

  bool holds(uint64_t value) const;
  bool holds(std::string_view value) const;
};

struct ExpressionNode {
  enum class Kind : uint8_t {
    kAnd,   // two or more children
    kOr,    // two or more children
    kNot,   // one child
    kAtom,  // one of libpcap's primitives, or what looks like one
    kOwn,
  };
  Kind kind = Kind::kAtom;
  size_t begin = 0, end = 0;  // where it stands in the text, parentheses around it included
  bool has_own = false;       // a name of our own occurs in it
  bool parenthesised = false;
  std::vector<ExpressionNode> children;
  OwnTerm own;
  // Atom: what it says of endpoints, if that is all it says. In `port 80 or 443` the second inherits "port".
  std::optional<EndpointCondition> endpoint_condition;
  std::string inherited;
};

// Precondition: the text is not blank. An error begins with "column N: ", counted from 1.
Result<ExpressionNode> parse_expression(std::string_view text);

// Whether a name of our own, or a misspelt one, occurs in the text at all; if not, the text is libpcap's, whatever we
// make of it.
bool mentions_own_names(std::string_view text);

}  // namespace gatetape
