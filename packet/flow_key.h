// The key of a conversation. Both directions have the same key.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "packet/decode.h"

namespace gatetape {

enum class Direction : uint8_t { kToServer = 0, kToClient = 1 };
inline Direction opposite(Direction d) {
  return d == Direction::kToServer ? Direction::kToClient : Direction::kToServer;
}
inline int index(Direction d) {
  return static_cast<int>(d);
}

// The 5-tuple and VLAN ids, with the lower (address, port) first. Keys have no padding and compare as bytes.
struct FlowKey {
  IpAddress low_address;
  IpAddress high_address;
  uint16_t low_port = 0;
  uint16_t high_port = 0;
  uint16_t vlan_id[2] = {0, 0};
  uint32_t protocol = 0;

  // Precondition: decoded.ip_version != 0. Sets `reversed` when the packet's source is the key's high side.
  static FlowKey from(const DecodedPacket& decoded, bool& reversed);
  uint64_t hash() const;
  friend bool operator==(const FlowKey& a, const FlowKey& b) { return std::memcmp(&a, &b, sizeof(FlowKey)) == 0; }
};
static_assert(sizeof(FlowKey) == 44);

// The addresses and ports of one direction, as logs print them.
struct Endpoints {
  IpAddress source;
  IpAddress destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;

  Endpoints reversed() const { return {destination, source, destination_port, source_port, protocol}; }
};

// Returns the Community ID v1 (https://github.com/corelight/community-id-spec): "1:LQU9qZlK+B5F3KDmev6m5PMibrg=".
std::string community_id(const Endpoints& endpoints, uint16_t seed = 0);

}  // namespace gatetape
