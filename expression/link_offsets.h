// Words of an expression that move libpcap's offsets: behind `vlan`, `mpls` and their like, libpcap reads all that
// follows in the text from another place of the packet.
#pragma once

#include <string_view>

#include "expression/expression_parse.h"

namespace gatetape {

// How many words of the text move libpcap's offsets for all that follows: into tunnels, or behind VLAN tags.
struct OffsetWords {
  int tunnels = 0, vlans = 0;
};
OffsetWords offset_words(std::string_view text);

// Whether libpcap reads addresses and ports where decode() finds them. Behind `mpls`, `geneve` and their like it sees
// other headers. Behind `vlan` it sees the same ones, but only in packets that have the tag: where the tag is not
// certain, as in `not vlan 5 and host A`, it reads A from wherever the moved offset points.
bool offsets_certain(const ExpressionNode& root, std::string_view text);

}  // namespace gatetape
