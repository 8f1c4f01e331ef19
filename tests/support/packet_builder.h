// Packets for tests: Ethernet, IPv4, and TCP or UDP with right checksums.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "packet/decode.h"
#include "packet/ip_address.h"
#include "packet/packet.h"

namespace gatetape::test {

// Owns the bytes of one packet.
class PacketBytes {
 public:
  explicit PacketBytes(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  const std::vector<uint8_t>& bytes() const { return bytes_; }
  std::vector<uint8_t>& bytes() { return bytes_; }
  // A view of these bytes, which must outlive it.
  Packet packet(int64_t timestamp_ns = 0) const {
    Packet p;
    p.data = bytes_.data();
    p.captured_length = p.wire_length = static_cast<uint32_t>(bytes_.size());
    p.timestamp_ns = timestamp_ns;
    return p;
  }

 private:
  std::vector<uint8_t> bytes_;
};

namespace detail {

inline void put16(std::vector<uint8_t>& out, unsigned v) {
  out.push_back(static_cast<uint8_t>(v >> 8));
  out.push_back(static_cast<uint8_t>(v));
}
inline void put32(std::vector<uint8_t>& out, uint32_t v) {
  put16(out, v >> 16);
  put16(out, v & 0xffff);
}

inline uint16_t internet_checksum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) sum += (bytes[i] << 8u) | (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// Ethernet + IPv4 around a transport header and payload whose checksum field, at `checksum_at`, is filled in.
inline PacketBytes ipv4(uint8_t protocol, std::string_view source, std::string_view destination,
                        std::vector<uint8_t> transport, size_t checksum_at) {
  const IpAddress from = IpAddress::parse(source).value(), to = IpAddress::parse(destination).value();
  std::vector<uint8_t> pseudo(from.bytes.begin() + 12, from.bytes.end());
  pseudo.insert(pseudo.end(), to.bytes.begin() + 12, to.bytes.end());
  put16(pseudo, protocol);
  put16(pseudo, static_cast<unsigned>(transport.size()));
  pseudo.insert(pseudo.end(), transport.begin(), transport.end());
  const uint16_t sum = internet_checksum(pseudo);
  transport[checksum_at] = static_cast<uint8_t>(sum >> 8);
  transport[checksum_at + 1] = static_cast<uint8_t>(sum);

  std::vector<uint8_t> ip = {0x45, 0};
  put16(ip, static_cast<unsigned>(20 + transport.size()));
  put32(ip, 0x12344000);
  ip.insert(ip.end(), {64, protocol, 0, 0});
  ip.insert(ip.end(), from.bytes.begin() + 12, from.bytes.end());
  ip.insert(ip.end(), to.bytes.begin() + 12, to.bytes.end());
  const uint16_t ip_sum = internet_checksum(ip);
  ip[10] = static_cast<uint8_t>(ip_sum >> 8);
  ip[11] = static_cast<uint8_t>(ip_sum);

  std::vector<uint8_t> bytes = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
  bytes.insert(bytes.end(), ip.begin(), ip.end());
  bytes.insert(bytes.end(), transport.begin(), transport.end());
  return PacketBytes(std::move(bytes));
}

}  // namespace detail

struct TcpFields {
  uint32_t sequence_number = 1000;
  uint32_t acknowledgment_number = 0;
  uint8_t flags = kTcpAck;
  std::string_view payload;
};

inline PacketBytes tcp(std::string_view source, uint16_t source_port, std::string_view destination,
                       uint16_t destination_port, const TcpFields& fields = {}) {
  std::vector<uint8_t> t;
  detail::put16(t, source_port);
  detail::put16(t, destination_port);
  detail::put32(t, fields.sequence_number);
  detail::put32(t, fields.acknowledgment_number);
  t.insert(t.end(), {0x50, fields.flags});
  detail::put16(t, 64240);
  detail::put32(t, 0);
  t.insert(t.end(), fields.payload.begin(), fields.payload.end());
  return detail::ipv4(kProtocolTcp, source, destination, std::move(t), 16);
}

inline PacketBytes udp(std::string_view source, uint16_t source_port, std::string_view destination,
                       uint16_t destination_port, std::string_view payload) {
  std::vector<uint8_t> u;
  detail::put16(u, source_port);
  detail::put16(u, destination_port);
  detail::put16(u, static_cast<unsigned>(8 + payload.size()));
  detail::put16(u, 0);
  u.insert(u.end(), payload.begin(), payload.end());
  return detail::ipv4(kProtocolUdp, source, destination, std::move(u), 6);
}

}  // namespace gatetape::test
