// Parses the text of an expression into a tree, which tells Gatetape's own terms from libpcap's
// primitives. Pure functions over a short text from the command line; any thread may call them. Nesting is
// limited to kExpressionDepthMax.
//
// The grammar around the primitives is libpcap's (pcap-filter(7)): `and`/`&&` and `or`/`||` have equal precedence and
// group from left to right; `not`/`!` binds tighter; parentheses group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "expression/endpoint_condition.h"
#include "expression/own_term.h"

namespace gatetape {

inline constexpr int kExpressionDepthMax = 100;

struct ExpressionNode {
  enum class Kind : uint8_t {
    kAnd,   // two or more children
    kOr,    // two or more children
    kNot,   // one child
    kAtom,  // a primitive of libpcap's, or text in the place of one
    kOwn,   // a term with a name of Gatetape's own
  };
  Kind kind = Kind::kAtom;
  size_t begin = 0, end = 0;  // its place in the text, including parentheses around it
  bool has_own = false;       // an own term occurs in it
  bool parenthesised = false;
  std::vector<ExpressionNode> children;
  OwnTerm own;
  // kAtom: its condition on endpoints, if it is nothing else. In `port 80 or 443` the second atom inherits "port".
  std::optional<EndpointCondition> endpoint_condition;
  std::string inherited;
};

// Parses the text. Precondition: it is not blank. An error begins with "column N: ", counted from 1.
Result<ExpressionNode> parse_expression(std::string_view text);

// Returns whether an own name, or a misspelt one, occurs anywhere in the text. If none does, the text goes to libpcap
// even where parse_expression() fails.
bool mentions_own_names(std::string_view text);

}  // namespace gatetape
