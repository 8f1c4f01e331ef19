// Decoding turns the headers of a packet into offsets and fields, once; no later stage parses a header again.
//
// The functions are pure, check every bound of the untrusted bytes, and allocate nothing. Any thread may call them.
#pragma once

#include <cstdint>
#include <span>

#include "packet/ip_address.h"
#include "packet/packet.h"

namespace gatetape {

inline constexpr uint8_t kProtocolIcmp = 1, kProtocolTcp = 6, kProtocolUdp = 17, kProtocolIcmpv6 = 58,
                         kProtocolSctp = 132;
inline constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpPsh = 0x08, kTcpAck = 0x10, kTcpUrg = 0x20,
                         kTcpEce = 0x40, kTcpCwr = 0x80;

enum class DecodeStatus : uint8_t {
  kOk,                  // decoded down to the transport header, or to IP where the protocol has no ports
  kNotIp,               // something else, complete (ARP, LLDP, an unknown link type)
  kTruncatedLink,       // the capture ends inside the link header or a VLAN tag
  kTruncatedNetwork,    // ... inside the IP header
  kMalformedNetwork,    // an IP header that contradicts itself (version, header length, total length)
  kTruncatedTransport,  // ... inside the TCP, UDP or ICMP header
  kMalformedTransport,  // a transport header that contradicts itself (data offset, UDP length)
  kTooManyLayers,       // more VLAN tags or IPv6 extension headers than kLayersMax
};
inline constexpr int kDecodeStatusCount = 8;
inline constexpr int kLayersMax = 16;
const char* to_string(DecodeStatus status);

// Offsets count from Packet::data. Fields below the layer where decoding stopped are zero.
struct DecodedPacket {
  DecodeStatus status = DecodeStatus::kNotIp;
  uint8_t ip_version = 0;  // 4, 6, or 0: no IP header
  uint8_t protocol = 0;    // IANA's number of the transport protocol, after any IPv6 extension headers
  uint8_t ttl = 0;
  uint8_t vlan_count = 0;
  uint8_t tcp_flags = 0;
  bool is_fragment = false;          // any IP fragment, first ones included
  bool has_transport = false;        // ports and transport fields are valid
  uint16_t ether_type = 0;           // innermost EtherType after VLAN tags
  uint16_t vlan_id[2] = {0, 0};      // outermost first; tags beyond the second are skipped
  uint16_t network_offset = 0;       // IP header
  uint16_t transport_offset = 0;     // TCP, UDP, ICMP header
  uint16_t payload_offset = 0;       // after the transport header, or after IP when there is none
  uint16_t fragment_offset = 0;      // bytes
  uint32_t payload_length = 0;       // as the IP header says, without link padding, cut to what was captured
  uint32_t payload_wire_length = 0;  // as the IP header says; larger than payload_length when the capture was cut
  uint16_t source_port = 0;          // ICMP: type
  uint16_t destination_port = 0;     // ICMP: code
  uint32_t ip_id = 0;                // identification, for fragments
  uint32_t sequence_number = 0;
  uint32_t acknowledgment_number = 0;
  uint16_t window = 0;
  uint32_t flow_hash = 0;  // symmetric: both directions of a conversation give the same value
  IpAddress source;
  IpAddress destination;

  std::span<const uint8_t> payload(const Packet& packet) const {
    return {packet.data + payload_offset, payload_length};
  }
};

// Fills `decoded` from `packet`: Ethernet, VLAN and QinQ, Linux cooked (1 and 2), raw IP, BSD loopback; IPv4, IPv6 with
// extension headers; TCP, UDP, ICMP, ICMPv6. Sets flow_hash whenever there is an IP header: over addresses, ports and
// protocol, or over addresses alone for a fragment, because all fragments of a datagram must reach the same worker.
void decode(const Packet& packet, DecodedPacket& decoded);

// Returns whether the IPv4 header checksum and the TCP, UDP or ICMP checksum are right (RFC 1071). Returns true for
// fragments, for packets that were not captured whole, and for protocols without a checksum.
bool checksums_ok(const Packet& packet, const DecodedPacket& decoded);

}  // namespace gatetape
