// A packet's head: the bytes that its decoder took for headers, and where in them the fields are that the packet
// columns predict (FORMAT.md, packet columns).
#pragma once

#include <cstdint>

#include "packet/decode.h"
#include "packet/packet.h"

namespace gatetape {

inline constexpr uint32_t kHeadBytesMax = 1024;

enum HeadKind : uint8_t {
  kHeadIpv4 = 1,
  kHeadIpv6 = 2,
  kHeadTcp = 4,
  kHeadUdp = 8,
  kHeadTimestamps = 16,
  kHeadAddressesOfLane = 32,
};

// Where the fields are in a head; offsets from the packet's first byte.
struct HeadLayout {
  uint16_t length = 0;
  uint16_t network_offset = 0;
  uint16_t transport_offset = 0;
  uint16_t timestamp_offset = 0;
  uint8_t kind = 0;

  // As the decoder found it, as far as the bytes bear it out.
  static HeadLayout of(const Packet& packet, const DecodedPacket& decoded);
  bool fits() const;  // all fields lie within length
  bool has(HeadKind k) const { return (kind & k) != 0; }
  friend bool operator==(const HeadLayout&, const HeadLayout&) = default;
};

}  // namespace gatetape
