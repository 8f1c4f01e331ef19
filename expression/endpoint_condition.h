// The part of libpcap's language that speaks of endpoints: host, net, port, protocol. It is all that the index and the
// records can answer. Pure functions; any thread may call them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "packet/flow_key.h"
#include "packet/ip_address.h"

namespace gatetape {

// One primitive. All members that are set must hold together.
struct EndpointCondition {
  enum class Side : uint8_t { kEither, kSource, kDestination, kBoth };
  Side side = Side::kEither;
  std::optional<IpPrefix> prefix;
  std::optional<uint16_t> port_low, port_high;  // both or none; TCP, UDP and SCTP have ports
  std::optional<uint8_t> protocol;
  uint8_t ip_version = 0;  // 4, 6, or 0: either

  bool matches(const Endpoints& endpoints) const;
};

// Parses a primitive of one of these forms:
//   [ip|ip6] [src|dst|src or dst|src and dst] host ADDRESS | net ADDRESS/LENGTH
//   [tcp|udp|sctp] [src|dst|...] port N | portrange N-N
//   ip | ip6 | tcp | udp | sctp | icmp | icmp6
// The word `host` may be left out after src or dst. Returns nothing for any other text, which may still be
// right for libpcap.
std::optional<EndpointCondition> parse_endpoint_condition(std::string_view primitive);

}  // namespace gatetape
