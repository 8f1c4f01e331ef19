// Internet checksums (RFC 1071).
#include <cstring>

#include "packet/decode.h"

namespace gatetape {
namespace {

// Returns the folded sum of 16-bit words in memory order; a lone last byte is padded with zero. Whether the total is
// all ones does not depend on the byte order (RFC 1071 section 2).
uint64_t sum_words(const uint8_t* data, size_t size, uint64_t sum) {
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    sum += (word & 0xffffffffu) + (word >> 32);
  }
  for (; size >= 2; data += 2, size -= 2) {
    uint16_t word;
    std::memcpy(&word, data, 2);
    sum += word;
  }
  if (size == 1) sum += *data;
  return sum;
}

uint16_t fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint64_t pseudo_header(const DecodedPacket& d, uint32_t transport_length) {
  const size_t skip = d.ip_version == 4 ? 12 : 0;
  uint64_t sum = sum_words(d.source.bytes.data() + skip, 16 - skip, 0);
  sum = sum_words(d.destination.bytes.data() + skip, 16 - skip, sum);
  return sum + __builtin_bswap16(static_cast<uint16_t>(transport_length)) + (uint64_t{d.protocol} << 8);
}

}  // namespace

bool checksums_ok(const Packet& packet, const DecodedPacket& d) {
  if (d.ip_version == 0 || d.status != DecodeStatus::kOk) return true;
  if (d.ip_version == 4) {
    const uint8_t* header = packet.data + d.network_offset;
    if (fold(sum_words(header, (header[0] & 0x0f) * 4u, 0)) != 0xffff) return false;
  }
  if (d.is_fragment || !d.has_transport || d.payload_length != d.payload_wire_length) return true;
  const uint8_t* transport = packet.data + d.transport_offset;
  const uint32_t length = d.payload_offset - d.transport_offset + d.payload_length;
  uint64_t sum = 0;
  switch (d.protocol) {
    case kProtocolUdp:
      // Zero means that the sender made none (RFC 768); IPv6 does not allow it, but tunnels do (RFC 6935).
      if (transport[6] == 0 && transport[7] == 0) return true;
      [[fallthrough]];
    case kProtocolTcp:
    case kProtocolIcmpv6:
      sum = pseudo_header(d, length);
      break;
    case kProtocolIcmp:
      break;
    default:
      return true;
  }
  return fold(sum_words(transport, length, sum)) == 0xffff;
}

}  // namespace gatetape
