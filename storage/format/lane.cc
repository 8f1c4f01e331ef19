#include "storage/format/lane.h"

#include <utility>

#include "storage/format/layout.h"

namespace gatetape {
namespace {

// On other links "not IP" says no more than that decode() does not know the link.
bool carries_ether_types(LinkType link_type) {
  return link_type == LinkType::kEthernet || link_type == LinkType::kLinuxSll || link_type == LinkType::kLinuxSll2;
}

constexpr uint8_t kNoAddress[4] = {};

// An IPv4 address on disk is the last four bytes of a mapped one; who reads it has put the others in place before.
template <class Fields, class Address>
void layout_address(Fields& f, Address& address, bool v6) {
  const size_t skip = v6 ? 0 : 12;
  f.bytes(address.bytes.data() + skip, address.bytes.size() - skip);
}

// A lane that is not reversed, after its flags.
template <class Fields, class L>
void layout_lane(Fields& f, L& lane) {
  f(lane.flow_id);
  f.varint(lane.interface_id);
  f.varint(lane.link_type);
  if (lane.has(kLaneHasIp)) {
    f(lane.protocol);
    layout_address(f, lane.source, lane.has(kLaneIpv6));
    layout_address(f, lane.destination, lane.has(kLaneIpv6));
  }
  if (lane.has(kLaneHasPorts)) {
    f.big_endian(lane.source_port);
    f.big_endian(lane.destination_port);
  }
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
  FieldWriter fields(out);
  out.varint(lanes.size());
  for (size_t i = 0; i < lanes.size(); i++) {
    const Lane& lane = lanes[i];
    if (reverse_of[i] != kNoLane && reverse_of[i] < i) {
      out.put(static_cast<uint8_t>(kLaneReversed));
      out.varint(i - reverse_of[i]);
      continue;
    }
    out.put(lane.flags);
    layout_lane(fields, lane);
  }
}

bool decode_lanes(std::span<const uint8_t> bytes, size_t lanes_max, std::vector<Lane>& lanes,
                  std::vector<uint16_t>& reverse_of) {
  lanes.clear();
  reverse_of.clear();
  ByteSource in(bytes);
  FieldReader fields(in);
  const uint64_t count = in.varint();
  if (!in.ok() || count > lanes_max || count >= kNoLane) return false;
  for (size_t i = 0; i < count && in.ok(); i++) {
    const auto flags = in.get<uint8_t>();
    reverse_of.push_back(kNoLane);
    if ((flags & kLaneReversed) == 0) {
      Lane& lane = lanes.emplace_back();
      lane.flags = flags;
      if (lane.has(kLaneHasIp) && !lane.has(kLaneIpv6)) lane.source = lane.destination = IpAddress::from_v4(kNoAddress);
      layout_lane(fields, lane);
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
