// A captured packet: the frame as it was on the wire and when it arrived. A view: who holds the bytes is said where a
// packet is handed over (capture/sources/source.h: they live until the burst is released).
#pragma once

#include <cstdint>
#include <span>

namespace gatetape {

// LINKTYPE_ values as in pcap files (https://www.tcpdump.org/linktypes.html). Any other value is carried and stored as
// it is; it is just not decoded.
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
  uint32_t wire_length = 0;      // bytes the frame had on the wire; >= captured_length
  int64_t timestamp_ns = 0;      // since the Unix epoch, UTC; may step back from one packet to the next
  uint64_t ordinal = 0;  // place in order of arrival, from 0, unique within an ordinal domain (one source queue)
  LinkType link_type = LinkType::kEthernet;
  uint16_t interface_id = 0;  // which of the capture's interfaces, from 0

  std::span<const uint8_t> bytes() const { return {data, captured_length}; }
};

}  // namespace gatetape
