#include "packet/decode.h"

#include <algorithm>
#include <cstring>

#include "common/byte_reader.h"

namespace gatetape {
namespace {

constexpr uint16_t kEtherTypeIpv4 = 0x0800, kEtherTypeIpv6 = 0x86dd, kEtherTypeVlan = 0x8100, kEtherTypeQinQ = 0x88a8,
                   kEtherTypeQinQOld = 0x9100;
constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51, kDestinationOptions = 60,
                  kMobility = 135;

bool is_vlan(uint16_t ether_type) {
  return ether_type == kEtherTypeVlan || ether_type == kEtherTypeQinQ || ether_type == kEtherTypeQinQOld;
}

uint64_t mix(uint64_t x) {
  x *= 0x9fb21c651e98df25u;
  x ^= x >> 35;
  x *= 0xd6e8feb86659fd93u;
  return x ^ (x >> 32);
}

uint64_t hash_side(const IpAddress& address, uint16_t port) {
  uint64_t high, low;
  std::memcpy(&high, address.bytes.data(), 8);
  std::memcpy(&low, address.bytes.data() + 8, 8);
  return mix((high * 0xc2b2ae3d27d4eb4fu) ^ low ^ (uint64_t{port} << 17));
}

// Decodes one packet. The reader stands at the next header.
struct Decoder {
  const Packet& packet;
  DecodedPacket& d;
  ByteReader reader;

  Decoder(const Packet& p, DecodedPacket& decoded) : packet(p), d(decoded), reader(p.data, p.captured_length) {}

  DecodeStatus link() {
    switch (packet.link_type) {
      case LinkType::kEthernet:
        reader.skip(12);
        return ether_type(reader.u16());
      case LinkType::kLinuxSll:
        reader.skip(14);
        return ether_type(reader.u16());
      case LinkType::kLinuxSll2: {
        const uint16_t type = reader.u16();
        reader.skip(18);
        return ether_type(type);
      }
      case LinkType::kNull:
      case LinkType::kLoop:
        reader.skip(4);  // an address family, numbered differently on each system; the IP version tells as much
        return reader.ok() ? ip() : DecodeStatus::kTruncatedLink;
      case LinkType::kRaw:
      case LinkType::kIpv4:
      case LinkType::kIpv6:
        return ip();
    }
    return DecodeStatus::kNotIp;
  }

  DecodeStatus ether_type(uint16_t type) {
    for (int layers = 0; is_vlan(type); ++layers) {
      if (layers == kLayersMax) return DecodeStatus::kTooManyLayers;
      const uint16_t tag = reader.u16();
      type = reader.u16();
      if (!reader.ok()) return DecodeStatus::kTruncatedLink;
      if (d.vlan_count < 2) d.vlan_id[d.vlan_count] = tag & 0x0fff;
      ++d.vlan_count;
    }
    if (!reader.ok()) return DecodeStatus::kTruncatedLink;
    d.ether_type = type;
    if (type == kEtherTypeIpv4) return ipv4();
    if (type == kEtherTypeIpv6) return ipv6();
    return DecodeStatus::kNotIp;
  }

  DecodeStatus ip() {
    if (reader.remaining() == 0) return DecodeStatus::kTruncatedNetwork;
    const int version = *reader.current() >> 4;
    if (version == 4) return ipv4();
    if (version == 6) return ipv6();
    return DecodeStatus::kNotIp;
  }

  // RFC 791 section 3.1.
  DecodeStatus ipv4() {
    const size_t start = reader.position();
    if (reader.remaining() < 20) return DecodeStatus::kTruncatedNetwork;
    const uint8_t version_length = reader.u8();
    const size_t header_length = (version_length & 0x0fu) * 4u;
    reader.skip(1);
    const uint16_t total_length = reader.u16();
    d.ip_id = reader.u16();
    const uint16_t fragment = reader.u16();
    d.ttl = reader.u8();
    d.protocol = reader.u8();
    reader.skip(2);
    if (version_length >> 4 != 4 || header_length < 20 || total_length < header_length) {
      return DecodeStatus::kMalformedNetwork;
    }
    d.source = IpAddress::from_v4(reader.view(4).data());
    d.destination = IpAddress::from_v4(reader.view(4).data());
    reader.skip(header_length - 20);
    if (!reader.ok()) return DecodeStatus::kTruncatedNetwork;
    d.ip_version = 4;
    d.network_offset = static_cast<uint16_t>(start);
    d.fragment_offset = static_cast<uint16_t>((fragment & 0x1fff) * 8);
    d.is_fragment = (fragment & 0x3fff) != 0;  // more fragments, or an offset
    return transport(total_length - static_cast<uint32_t>(header_length));
  }

  // RFC 8200 sections 3 and 4.
  DecodeStatus ipv6() {
    const size_t start = reader.position();
    if (reader.remaining() < 40) return DecodeStatus::kTruncatedNetwork;
    if (*reader.current() >> 4 != 6) return DecodeStatus::kMalformedNetwork;
    reader.skip(4);
    uint32_t length = reader.u16();
    uint8_t next = reader.u8();
    d.ttl = reader.u8();
    d.source = IpAddress::from_v6(reader.view(16).data());
    d.destination = IpAddress::from_v6(reader.view(16).data());
    d.ip_version = 6;
    d.network_offset = static_cast<uint16_t>(start);
    d.protocol = next;
    for (int layers = 0;; ++layers) {
      const bool extension = next == kHopByHop || next == kRouting || next == kFragment || next == kAuthentication ||
                             next == kDestinationOptions || next == kMobility;
      d.protocol = next;
      if (!extension) return transport(length);
      if (layers == kLayersMax) return DecodeStatus::kTooManyLayers;
      if (reader.remaining() < 8) return DecodeStatus::kTruncatedNetwork;
      const size_t extension_length = extension_header(next);
      if (!reader.ok()) return DecodeStatus::kTruncatedNetwork;
      if (extension_length > length) return DecodeStatus::kMalformedNetwork;
      length -= static_cast<uint32_t>(extension_length);
    }
  }

  // Takes one extension header and sets `next` to the type of the header behind it. Returns its length.
  size_t extension_header(uint8_t& next) {
    const uint8_t type = next;
    next = reader.u8();
    const uint8_t length_field = reader.u8();
    if (type == kFragment) {
      const uint16_t fragment = reader.u16();
      d.ip_id = reader.u32();
      d.fragment_offset = fragment & 0xfff8;
      d.is_fragment = (fragment & 0xfff9) != 0;  // false for an atomic fragment (RFC 6946)
      return 8;
    }
    const size_t length = type == kAuthentication ? (length_field + 2u) * 4u : (length_field + 1u) * 8u;
    reader.skip(length - 2);
    return length;
  }

  // Decodes the transport header. `length` counts the bytes after the IP header, as that header says.
  DecodeStatus transport(uint32_t length) {
    d.transport_offset = static_cast<uint16_t>(reader.position());
    set_payload(length);
    if (d.fragment_offset != 0) return DecodeStatus::kOk;  // a later fragment has no transport header
    switch (d.protocol) {
      case kProtocolTcp:
        return tcp(length);
      case kProtocolUdp:
        return udp(length);
      case kProtocolIcmp:
      case kProtocolIcmpv6:
        return icmp(length);
      default:
        return DecodeStatus::kOk;
    }
  }

  // RFC 9293 section 3.1.
  DecodeStatus tcp(uint32_t length) {
    if (length < 20 || reader.remaining() < 20) return DecodeStatus::kTruncatedTransport;
    d.source_port = reader.u16();
    d.destination_port = reader.u16();
    d.sequence_number = reader.u32();
    d.acknowledgment_number = reader.u32();
    const uint32_t header_length = (reader.u8() >> 4) * 4u;
    d.tcp_flags = reader.u8();
    d.window = reader.u16();
    reader.skip(4);
    if (header_length < 20 || header_length > length) return DecodeStatus::kMalformedTransport;
    reader.skip(header_length - 20);
    if (!reader.ok()) return DecodeStatus::kTruncatedTransport;
    d.has_transport = true;
    set_payload(length - header_length);
    return DecodeStatus::kOk;
  }

  DecodeStatus udp(uint32_t length) {
    if (length < 8 || reader.remaining() < 8) return DecodeStatus::kTruncatedTransport;
    d.source_port = reader.u16();
    d.destination_port = reader.u16();
    const uint32_t udp_length = reader.u16();
    reader.skip(2);
    // Zero means a jumbogram (RFC 2675) or a sender that left it out. A first fragment carries less than the whole.
    if (udp_length != 0 && (udp_length < 8 || (udp_length > length && !d.is_fragment))) {
      return DecodeStatus::kMalformedTransport;
    }
    d.has_transport = true;
    set_payload((udp_length == 0 || udp_length > length ? length : udp_length) - 8);
    return DecodeStatus::kOk;
  }

  DecodeStatus icmp(uint32_t length) {
    if (length < 4 || reader.remaining() < 4) return DecodeStatus::kTruncatedTransport;
    d.source_port = reader.u8();
    d.destination_port = reader.u8();
    reader.skip(2);
    d.has_transport = true;
    set_payload(length - 4);
    return DecodeStatus::kOk;
  }

  void set_payload(uint32_t wire_length) {
    d.payload_offset = static_cast<uint16_t>(reader.position());
    d.payload_wire_length = wire_length;
    d.payload_length = static_cast<uint32_t>(std::min<size_t>(wire_length, reader.remaining()));
  }
};

uint32_t symmetric_hash(const DecodedPacket& d) {
  const bool ports = d.has_transport && !d.is_fragment && d.protocol != kProtocolIcmp && d.protocol != kProtocolIcmpv6;
  const uint64_t sum =
      hash_side(d.source, ports ? d.source_port : 0) + hash_side(d.destination, ports ? d.destination_port : 0);
  return static_cast<uint32_t>(mix(sum + (ports ? d.protocol : 0)));
}

}  // namespace

const char* to_string(DecodeStatus status) {
  switch (status) {
    case DecodeStatus::kOk:
      return "ok";
    case DecodeStatus::kNotIp:
      return "not_ip";
    case DecodeStatus::kTruncatedLink:
      return "truncated_link";
    case DecodeStatus::kTruncatedNetwork:
      return "truncated_network";
    case DecodeStatus::kMalformedNetwork:
      return "malformed_network";
    case DecodeStatus::kTruncatedTransport:
      return "truncated_transport";
    case DecodeStatus::kMalformedTransport:
      return "malformed_transport";
    case DecodeStatus::kTooManyLayers:
      return "too_many_layers";
  }
  return "unknown";
}

void decode(const Packet& packet, DecodedPacket& decoded) {
  decoded = DecodedPacket();
  decoded.status = Decoder(packet, decoded).link();
  if (decoded.ip_version != 0) decoded.flow_hash = symmetric_hash(decoded);
}

}  // namespace gatetape
