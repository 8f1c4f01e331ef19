// What an expression asks of the index: clauses of terms that leave out nothing that could match.
#pragma once

#include "expression/expression_parse.h"
#include "storage/read/store_reader.h"

namespace gatetape {

inline constexpr size_t kIndexTermsMax = 4096;  // in one clause; a clause that would grow beyond is not asked

// A and B: both hold, joined into terms of the same packet where they ask different things of it.
IndexFilter both_of(IndexFilter a, IndexFilter b);
// A or B. Asks nothing when either asks nothing.
IndexFilter either_of(IndexFilter a, IndexFilter b);

// From a tree without own names. What is not understood asks nothing.
IndexFilter index_filter_of(const ExpressionNode& node);

// How many words of the text move libpcap's offsets for all that follows: into tunnels, or behind VLAN tags.
struct OffsetWords {
  int tunnels = 0, vlans = 0;
};
OffsetWords offset_words(std::string_view text);

// Whether terms about addresses and ports may be asked at all. Behind `mpls`, `geneve` and their like libpcap sees
// other headers than our decoder. Behind `vlan` it sees the same ones, but only in packets that have the tag: where the
// tag is not certain, as in `not vlan 5 and host A`, it reads A from wherever the moved offset points.
bool index_applies(const ExpressionNode& root, std::string_view text);

}  // namespace gatetape
