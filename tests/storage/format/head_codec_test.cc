// Packet heads as deviations: what follows from the packet before costs nothing.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "storage/format/head_codec.h"
#include "tests/support/packet_builder.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

using Packets = std::vector<PacketBytes>;

// A sender of segments of all lengths whose IPv4 identification counts up, as a real one's does.
Packets ipv4_segments() {
  Packets packets;
  std::string payload;
  uint32_t sequence = 77;
  for (const size_t size : {10u, 400u, 3u, 0u, 1400u}) {
    payload.assign(size, 'x');
    packets.push_back(tcp("10.0.0.1", 4000, "10.0.0.2", 80, {.sequence_number = sequence, .payload = payload}));
    auto& bytes = packets.back().bytes();
    bytes[19] = static_cast<uint8_t>(packets.size());
    const auto sum = static_cast<unsigned>((bytes[24] << 8 | bytes[25]) + 0x34 - bytes[19]);  // RFC 1624
    const unsigned folded = (sum & 0xffff) + (sum >> 16);
    bytes[24] = static_cast<uint8_t>(folded >> 8);
    bytes[25] = static_cast<uint8_t>(folded);
    sequence += static_cast<uint32_t>(size);
  }
  return packets;
}

// The same segments under an IPv6 header, whose pseudo header sums up to the same as the IPv4 one.
Packets ipv6_segments() {
  Packets packets;
  for (const PacketBytes& v4 : ipv4_segments()) {
    const auto& from = v4.bytes();
    const size_t segment = from.size() - 34;
    std::vector<uint8_t> bytes(from.begin(), from.begin() + 12);
    bytes.insert(bytes.end(),
                 {0x86, 0xdd, 0x60, 0, 0, 0, static_cast<uint8_t>(segment >> 8), static_cast<uint8_t>(segment), 6, 64});
    for (const int address : {26, 30}) {
      bytes.insert(bytes.end(), 12, 0);
      bytes.insert(bytes.end(), from.begin() + address, from.begin() + address + 4);
    }
    bytes.insert(bytes.end(), from.begin() + 34, from.end());
    packets.emplace_back(std::move(bytes));
  }
  return packets;
}

Packets udp_datagrams() {
  Packets packets;
  for (const char* payload : {"one", "twenty-two", "", "4"}) {
    packets.push_back(udp("10.0.0.1", 4000, "10.0.0.2", 53, payload));
  }
  return packets;
}

struct Encoded {
  HeadStreams streams;
  size_t packets = 0;
};

Encoded encode(const Packets& packets) {
  Encoded out;
  std::vector<Lane> lanes;
  HeadEncoder encoder;
  for (const PacketBytes& built : packets) {
    const Packet packet = built.packet();
    DecodedPacket decoded;
    decode(packet, decoded);
    REQUIRE(decoded.status == DecodeStatus::kOk);
    if (lanes.empty()) {
      static constexpr uint16_t kNoReverse[] = {kNoLane};
      lanes.push_back(Lane::of(packet, decoded, 1));
      encoder.begin(lanes, kNoReverse);
    }
    encoder.encode({packet.data, packet.captured_length, HeadLayout::of(packet, decoded), 0}, out.streams);
    ++out.packets;
  }
  return out;
}

}  // namespace

TEST_CASE("a sender whose packets only differ in length costs its first head", "[store]") {
  for (const Packets& packets : {ipv4_segments(), ipv6_segments()}) {
    const Encoded encoded = encode(packets);
    CHECK(encoded.streams.deviations.size() == encoded.packets);  // a byte each: the first has a head, the rest nothing
    for (int field = kWholeHead + 1; field < kHeadFieldCount; ++field) {
      INFO("field " << field);
      CHECK(encoded.streams.fields[static_cast<size_t>(field)].size() == 0);
    }
  }
}

TEST_CASE("datagrams whose lengths differ have lengths as predicted", "[store]") {
  const Encoded encoded = encode(udp_datagrams());
  CHECK(encoded.streams.fields[kUdpLength].size() == 0);
  CHECK(encoded.streams.fields[kIpLength].size() == 0);
  CHECK(encoded.streams.fields[kIpId].size() == encoded.packets - 1);  // it stays the same in these
}
