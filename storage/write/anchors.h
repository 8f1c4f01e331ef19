// Where to look for repeats: places chosen by content alone, so that the same bytes are looked at in the same places
// wherever they stand in a packet. A place is an anchor when a hash of the four bytes there is zero in its low bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gatetape {

class AnchorFinder {
 public:
  // One place in 2^density_bits, on average, is an anchor. The seed keeps traffic from being made to have none, or
  // only, anchors.
  AnchorFinder(uint64_t seed, int density_bits);
  // Appends the anchors in [begin, end) of `bytes` to `anchors`, rising and kGapBytes apart; each has at least
  // kRoomBytes from there to the end of `bytes`.
  void find(std::span<const uint8_t> bytes, size_t begin, size_t end, std::vector<uint32_t>& anchors) const;

  static constexpr size_t kGapBytes = 32;   // bounds the work on runs of one byte
  static constexpr size_t kRoomBytes = 64;  // a read may go so far beyond the place

 private:
  // The hash of byte k of four is tables[k][0][low nibble] ^ tables[k][1][high nibble]; that of the four their
  // exclusive or.
  alignas(16) uint8_t tables_[4][2][16];
  uint8_t mask_;
};

}  // namespace gatetape
