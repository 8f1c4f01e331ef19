#include "storage/format/lane_filter.h"

#include <xxhash.h>

#include <algorithm>

namespace gatetape {
namespace {

bool ports_known(const Lane& lane) {
  return lane.has(kLaneHasPorts) && protocol_has_ports(lane.protocol);
}

bool same_direction(const Lane& lane, const Endpoints& endpoints) {
  if (lane.source != endpoints.source || lane.destination != endpoints.destination) return false;
  return !ports_known(lane) ||
         (lane.source_port == endpoints.source_port && lane.destination_port == endpoints.destination_port);
}

bool may_match(const Lane& lane, const IndexTerm& term) {
  if (term.flow_id && *term.flow_id != lane.flow_id) return false;
  if (lane.has(kLaneUndecided)) return true;
  // ARP and RARP carry addresses, and nothing else without IP carries any.
  if (!lane.has(kLaneHasIp)) return !term.port && !term.protocol && !term.connection;
  if (term.host && !term.host->contains(lane.source) && !term.host->contains(lane.destination)) return false;
  if (term.protocol && *term.protocol != lane.protocol) return false;
  if (term.port) {
    if (!lane.has(kLaneHasPorts)) return false;
    if (lane.source_port != *term.port && lane.destination_port != *term.port) return false;
  }
  if (!term.connection) return true;
  if (term.connection->protocol != lane.protocol) return false;
  return same_direction(lane, *term.connection) || same_direction(lane, term.connection->reversed());
}

}  // namespace

bool protocol_has_ports(uint8_t protocol) {
  constexpr uint8_t kDccp = 33, kUdpLite = 136;
  return protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolSctp || protocol == kDccp ||
         protocol == kUdpLite;
}

bool may_match(const Lane& lane, const IndexFilter& filter) {
  return std::all_of(filter.all_of.begin(), filter.all_of.end(), [&](const std::vector<IndexTerm>& any_of) {
    return std::any_of(any_of.begin(), any_of.end(), [&](const IndexTerm& term) { return may_match(lane, term); });
  });
}

bool matches_anything(const Lane& lane) {
  return !lane.has(kLaneHasIp) || lane.has(kLaneUndecided);
}

uint64_t connection_key(const IpAddress& source, uint16_t source_port, const IpAddress& destination,
                        uint16_t destination_port, uint8_t protocol) {
  struct Side {
    std::array<uint8_t, 16> address;
    uint16_t port;  // network order
    auto operator<=>(const Side&) const = default;
  };
  const bool ports = protocol_has_ports(protocol);
  Side low{source.bytes, ports ? __builtin_bswap16(source_port) : uint16_t{0}};
  Side high{destination.bytes, ports ? __builtin_bswap16(destination_port) : uint16_t{0}};
  if (high < low) std::swap(low, high);
  uint8_t message[37];
  std::memcpy(message, &low, 18);
  std::memcpy(message + 18, &high, 18);
  message[36] = protocol;
  return XXH3_64bits(message, sizeof message);
}

}  // namespace gatetape
