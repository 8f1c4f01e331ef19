#include "storage/format/lane.h"

#include <utility>

namespace gatetape {
namespace {

// On other links "not IP" says no more than that decode() does not know the link.
bool carries_ether_types(LinkType link_type) {
  return link_type == LinkType::kEthernet || link_type == LinkType::kLinuxSll || link_type == LinkType::kLinuxSll2;
}

}  // namespace

Lane Lane::of(const Packet& packet, const DecodedPacket& decoded, uint64_t flow_id) {
  Lane lane;
  lane.flow_id = flow_id;
  lane.link_type = packet.link_type;
  lane.interface_id = packet.interface_id;
  if (decoded.ip_version != 0) {
    lane.source = decoded.source;
    lane.destination = decoded.destination;
    lane.protocol = decoded.protocol;
    lane.flags = kLaneHasIp;
    if (!lane.source.is_v4() || !lane.destination.is_v4()) lane.flags |= kLaneIpv6;
  }
  if (decoded.has_transport) {
    lane.source_port = decoded.source_port;
    lane.destination_port = decoded.destination_port;
    lane.flags |= kLaneHasPorts;
  }
  const bool whole = decoded.status == DecodeStatus::kOk ||
                     (decoded.status == DecodeStatus::kNotIp && carries_ether_types(packet.link_type));
  if (!whole || (decoded.is_fragment && !decoded.has_transport)) lane.flags |= kLaneUndecided;
  return lane;
}

Lane Lane::reversed() const {
  Lane other = *this;
  std::swap(other.source, other.destination);
  std::swap(other.source_port, other.destination_port);
  return other;
}

void encode_lanes(std::span<const Lane> lanes, std::span<const uint16_t> reverse_of, ByteSink& out) {
  out.varint(lanes.size());
  for (size_t i = 0; i < lanes.size(); i++) {
    const Lane& lane = lanes[i];
    if (reverse_of[i] != kNoLane && reverse_of[i] < i) {
      out.put(static_cast<uint8_t>(kLaneReversed));
      out.varint(i - reverse_of[i]);
      continue;
    }
    out.put(lane.flags);
    out.put(lane.flow_id);
    out.varint(lane.interface_id);
    out.varint(static_cast<uint16_t>(lane.link_type));
    if (lane.has(kLaneHasIp)) {
      const size_t skip = lane.has(kLaneIpv6) ? 0 : 12;
      out.put(lane.protocol);
      out.bytes(lane.source.bytes.data() + skip, 16 - skip);
      out.bytes(lane.destination.bytes.data() + skip, 16 - skip);
    }
    if (lane.has(kLaneHasPorts)) {
      out.put(__builtin_bswap16(lane.source_port));
      out.put(__builtin_bswap16(lane.destination_port));
    }
  }
}

namespace {

IpAddress read_address(ByteSource& in, bool v6) {
  IpAddress address;
  if (v6) {
    in.bytes(address.bytes.data(), 16);
    return address;
  }
  uint8_t four[4] = {};
  in.bytes(four, 4);
  return IpAddress::from_v4(four);
}

Lane read_lane(ByteSource& in, uint8_t flags) {
  Lane lane;
  lane.flags = flags;
  lane.flow_id = in.get<uint64_t>();
  lane.interface_id = static_cast<uint16_t>(in.varint());
  lane.link_type = static_cast<LinkType>(in.varint());
  if (lane.has(kLaneHasIp)) {
    lane.protocol = in.get<uint8_t>();
    lane.source = read_address(in, lane.has(kLaneIpv6));
    lane.destination = read_address(in, lane.has(kLaneIpv6));
  }
  if (lane.has(kLaneHasPorts)) {
    lane.source_port = __builtin_bswap16(in.get<uint16_t>());
    lane.destination_port = __builtin_bswap16(in.get<uint16_t>());
  }
  return lane;
}

}  // namespace

bool decode_lanes(std::span<const uint8_t> bytes, size_t lanes_max, std::vector<Lane>& lanes,
                  std::vector<uint16_t>& reverse_of) {
  lanes.clear();
  reverse_of.clear();
  ByteSource in(bytes);
  const uint64_t count = in.varint();
  if (!in.ok() || count > lanes_max || count >= kNoLane) return false;
  for (size_t i = 0; i < count && in.ok(); i++) {
    const auto flags = in.get<uint8_t>();
    reverse_of.push_back(kNoLane);
    if ((flags & kLaneReversed) == 0) {
      lanes.push_back(read_lane(in, flags));
      continue;
    }
    const uint64_t distance = in.varint();
    if (!in.ok() || distance == 0 || distance > i) return false;
    reverse_of[i] = static_cast<uint16_t>(i - distance);
    reverse_of[i - distance] = static_cast<uint16_t>(i);
    lanes.push_back(lanes[i - distance].reversed());
  }
  return in.ok() && in.at_end();
}

}  // namespace gatetape
