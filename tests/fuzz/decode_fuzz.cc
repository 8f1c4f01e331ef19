// Frames of any link type: the first byte chooses it. Whatever decoding claims must lie within the bytes.
#include <cstdint>
#include <iterator>

#include "common/check.h"
#include "packet/decode.h"
#include "packet/flow_key.h"

using namespace gatetape;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr LinkType kTypes[] = {LinkType::kEthernet, LinkType::kRaw,       LinkType::kNull, LinkType::kLoop,
                                 LinkType::kLinuxSll, LinkType::kLinuxSll2, LinkType::kIpv4, LinkType::kIpv6};
  if (size == 0) return 0;
  Packet packet;
  packet.data = data + 1;
  packet.captured_length = packet.wire_length = static_cast<uint32_t>(size - 1);
  packet.link_type = kTypes[data[0] % std::size(kTypes)];
  DecodedPacket decoded;
  decode(packet, decoded);
  GT_CHECK(decoded.payload_offset <= packet.captured_length || decoded.payload_length == 0);
  GT_CHECK(size_t{decoded.payload_offset} + decoded.payload_length <= packet.captured_length ||
           decoded.payload_length == 0);
  (void)checksums_ok(packet, decoded);
  if (decoded.ip_version != 0) {
    bool reversed = false;
    (void)FlowKey::from(decoded, reversed).hash();
  }
  return 0;
}
