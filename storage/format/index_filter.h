// A query's questions to a segment's index: clauses of terms. A frame that satisfies none of a clause's terms cannot
// hold a match and is not read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "packet/flow_key.h"
#include "packet/ip_address.h"

namespace gatetape {

// One thing a packet can have that the index knows. Unset members are not asked for; those set must hold together.
//
// The index must never know less than libpcap sees. By what decode() says of a packet:
//   - kOk: it satisfies what it has. Without has_transport it has no port.
//   - kNotIp on Ethernet or Linux cooked: it has no address, port or protocol; but ARP and RARP (EtherType 0x0806,
//     0x8035) satisfy a term that asks for a host alone, at least for the two addresses that they carry: tcpdump's
//     `host A` selects them.
//   - anything else (cut short, malformed, an unknown link type): it satisfies every term but flow_id and connection.
struct IndexTerm {
  std::optional<IpPrefix> host;  // outer source or destination
  std::optional<uint16_t> port;  // source or destination
  std::optional<uint8_t> protocol;
  std::optional<Endpoints> connection;  // either direction
  std::optional<uint64_t> flow_id;
};

// Which frames may hold a match: every clause must have one term that some packet of the frame satisfies. Empty: all.
// Conservative: it only leaves out what cannot match; the caller's filter decides packet by packet.
struct IndexFilter {
  std::vector<std::vector<IndexTerm>> all_of;
};

}  // namespace gatetape
