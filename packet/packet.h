// A captured packet: its bytes as they were on the wire, and when it arrived. Packet is a view; the bytes live as long
// as the function that hands it over says: in a burst, until the burst is released (capture/sources/source.h).
#pragma once

#include <cstdint>
#include <span>

namespace gatetape {

// LINKTYPE_ values as in pcap files (https://www.tcpdump.org/linktypes.html). These are decoded; packets of any other
// link type are carried and stored as they are.
enum class LinkType : uint16_t {
  kNull = 0,
  kEthernet = 1,
  kRaw = 101,
  kLoop = 108,
  kLinuxSll = 113,
  kIpv4 = 228,
  kIpv6 = 229,
  kLinuxSll2 = 276,
};

struct Packet {
  const uint8_t* data = nullptr;
  uint32_t captured_length = 0;  // bytes at data
  uint32_t wire_length = 0;      // bytes on the wire; >= captured_length
  int64_t timestamp_ns = 0;      // since the Unix epoch, UTC; may step back from one packet to the next
  uint64_t ordinal = 0;  // place in order of arrival, from 0, unique within an ordinal domain (one source queue)
  LinkType link_type = LinkType::kEthernet;
  uint16_t interface_id = 0;  // which of the capture's interfaces, from 0

  std::span<const uint8_t> bytes() const { return {data, captured_length}; }
};

}  // namespace gatetape
