// Words such as `vlan` and `mpls` move libpcap's offsets: it reads all that follows them in the text from another place
// in the packet. These functions find out whether an expression has such words and what they do to it.
#pragma once

#include <string_view>

#include "expression/expression_parse.h"

namespace gatetape {

// Counts of the words that move offsets into tunnels, or behind VLAN tags.
struct OffsetWords {
  int tunnels = 0, vlans = 0;
};
// Counts such words in the text.
OffsetWords offset_words(std::string_view text);

// Returns whether libpcap reads addresses and ports where decode() finds them. Behind `mpls`, `geneve` and the like it
// reads other headers. Behind `vlan` it reads the same ones, but only in packets that have the tag: where the tag is
// not certain, as in `not vlan 5 and host A`, it reads A from wherever the moved offset points.
bool offsets_certain(const ExpressionNode& root, std::string_view text);

}  // namespace gatetape
