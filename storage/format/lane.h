// A lane: one direction of one conversation within one frame. The frame's dictionary of who talked (FORMAT.md, lanes):
// a reader decides by it what to read on, and payloads stand lane by lane.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "packet/decode.h"
#include "packet/ip_address.h"
#include "packet/packet.h"
#include "storage/format/byte_order.h"

namespace gatetape {

enum LaneFlag : uint8_t {
  kLaneReversed = 1,  // only on disk
  kLaneIpv6 = 2,
  kLaneHasIp = 4,
  kLaneHasPorts = 8,
  kLaneUndecided = 16,  // not decoded to the end: what it lacks might have been anything
};

// Compares and hashes as bytes: no padding.
struct Lane {
  IpAddress source, destination;
  uint64_t flow_id = 0;
  uint16_t source_port = 0, destination_port = 0;
  LinkType link_type = LinkType::kEthernet;
  uint16_t interface_id = 0;
  uint8_t protocol = 0;
  uint8_t flags = 0;
  uint16_t reserved[3] = {0, 0, 0};

  static Lane of(const Packet& packet, const DecodedPacket& decoded, uint64_t flow_id);
  Lane reversed() const;
  bool has(LaneFlag flag) const { return (flags & flag) != 0; }
  friend bool operator==(const Lane& a, const Lane& b) { return std::memcmp(&a, &b, sizeof(Lane)) == 0; }
};
static_assert(sizeof(Lane) == 56);

inline constexpr uint16_t kNoLane = 0xffff;

// `reverse_of[i]` is the lane of the other direction, or kNoLane.
void encode_lanes(std::span<const Lane> lanes, std::span<const uint16_t> reverse_of, ByteSink& out);
// False when the bytes are damaged. At most lanes_max lanes.
bool decode_lanes(std::span<const uint8_t> bytes, size_t lanes_max, std::vector<Lane>& lanes,
                  std::vector<uint16_t>& reverse_of);

}  // namespace gatetape
