#include "storage/format/head_layout.h"

#include <algorithm>

namespace gatetape {
namespace {

// Offset of the timestamp option's value (RFC 7323 section 3.2), 0 when there is none.
uint16_t find_timestamps(const uint8_t* data, size_t transport_offset, size_t end) {
  for (size_t at = transport_offset + 20; at < end;) {
    const uint8_t kind = data[at];
    if (kind == 0) return 0;
    if (kind == 1) {
      at++;
      continue;
    }
    if (at + 2 > end || data[at + 1] < 2) return 0;
    if (kind == 8) return data[at + 1] == 10 && at + 10 <= end ? static_cast<uint16_t>(at + 2) : uint16_t{0};
    at += data[at + 1];
  }
  return 0;
}

}  // namespace

HeadLayout HeadLayout::of(const Packet& packet, const DecodedPacket& decoded) {
  HeadLayout layout;
  if (decoded.status != DecodeStatus::kOk || decoded.payload_offset > packet.captured_length ||
      decoded.payload_offset > kHeadBytesMax) {
    layout.length = static_cast<uint16_t>(std::min<uint32_t>(packet.captured_length, 64));
    return layout;
  }
  layout.length = decoded.payload_offset;
  layout.network_offset = decoded.network_offset;
  layout.kind = decoded.ip_version == 4 ? kHeadIpv4 : kHeadIpv6;
  if (decoded.has_transport && (decoded.protocol == kProtocolTcp || decoded.protocol == kProtocolUdp)) {
    layout.transport_offset = decoded.transport_offset;
    layout.kind |= decoded.protocol == kProtocolTcp ? kHeadTcp : kHeadUdp;
  }
  if (!layout.fits()) {
    layout = {};
    layout.length = decoded.payload_offset;
    return layout;
  }
  if (layout.has(kHeadTcp)) {
    layout.timestamp_offset = find_timestamps(packet.data, layout.transport_offset, layout.length);
    if (layout.timestamp_offset != 0) layout.kind |= kHeadTimestamps;
  }
  return layout;
}

bool HeadLayout::fits() const {
  if (has(kHeadIpv4) && network_offset + 20 > length) return false;
  if (has(kHeadIpv6) && network_offset + 40 > length) return false;
  if (has(kHeadTcp) && transport_offset + 20 > length) return false;
  if (has(kHeadUdp) && transport_offset + 8 > length) return false;
  if (has(kHeadTimestamps) && timestamp_offset + 8 > length) return false;
  const bool transport = has(kHeadTcp) || has(kHeadUdp);
  return !transport || ((has(kHeadIpv4) || has(kHeadIpv6)) && !(has(kHeadTcp) && has(kHeadUdp)));
}

}  // namespace gatetape
