#include "packet/decode.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "packet/flow_key.h"

using namespace gatetape;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes be16(int v) {
  return {static_cast<uint8_t>(v >> 8), static_cast<uint8_t>(v)};
}

Bytes ethernet(int type) {
  return Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2} + be16(type);
}
Bytes vlan(int id, int type) {
  return be16(id | 0x6000) + be16(type);
}

Bytes ipv4(int protocol, const Bytes& payload, int fragment = 0, int claimed_extra = 0) {
  return Bytes{0x45, 0} + be16(static_cast<int>(payload.size()) + 20 + claimed_extra) + be16(0x1234) + be16(fragment) +
         Bytes{64, static_cast<uint8_t>(protocol), 0, 0, 10, 9, 0, 1, 10, 9, 0, 100} + payload;
}

Bytes ipv6(int next, const Bytes& payload) {
  Bytes source(16, 0), destination(16, 0);
  source[0] = destination[0] = 0x20;
  source[15] = 1;
  destination[15] = 2;
  return Bytes{0x60, 0, 0, 0} + be16(static_cast<int>(payload.size())) + Bytes{static_cast<uint8_t>(next), 63} +
         source + destination + payload;
}

Bytes tcp(int source_port, int destination_port, const Bytes& payload, int data_offset = 5) {
  return be16(source_port) + be16(destination_port) + Bytes{1, 2, 3, 4, 5, 6, 7, 8} +
         Bytes{static_cast<uint8_t>(data_offset << 4), kTcpAck | kTcpPsh} + be16(501) + Bytes{0, 0, 0, 0} + payload;
}

Bytes udp(int source_port, int destination_port, const Bytes& payload) {
  return be16(source_port) + be16(destination_port) + be16(static_cast<int>(payload.size()) + 8) + be16(0) + payload;
}

// Bytes that end where a page without access begins: reading one byte too far is a crash.
class Guarded {
 public:
  explicit Guarded(const Bytes& bytes) {
    page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    map_ = static_cast<uint8_t*>(mmap(nullptr, 17 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(map_ != MAP_FAILED);
    REQUIRE(mprotect(map_ + 16 * page_, page_, PROT_NONE) == 0);
    data_ = map_ + 16 * page_ - bytes.size();
    std::copy(bytes.begin(), bytes.end(), data_);
    size_ = bytes.size();
  }
  Guarded(const Guarded&) = delete;
  ~Guarded() { munmap(map_, 17 * page_); }

  Packet packet(LinkType type = LinkType::kEthernet) const {
    Packet p;
    p.data = data_;
    p.captured_length = p.wire_length = static_cast<uint32_t>(size_);
    p.link_type = type;
    return p;
  }

 private:
  size_t page_;
  uint8_t* map_;
  uint8_t* data_;
  size_t size_;
};

DecodedPacket decode_bytes(const Bytes& bytes, LinkType type = LinkType::kEthernet) {
  const Guarded guarded(bytes);
  DecodedPacket d;
  decode(guarded.packet(type), d);
  return d;
}

}  // namespace

TEST_CASE("a TCP segment behind two VLAN tags") {
  const Bytes packet = ethernet(0x88a8) + vlan(100, 0x8100) + vlan(12, 0x0800) + ipv4(6, tcp(4000, 80, {'h', 'i'}));
  const DecodedPacket d = decode_bytes(packet);
  CHECK(d.status == DecodeStatus::kOk);
  CHECK(d.vlan_count == 2);
  CHECK(d.vlan_id[0] == 100);
  CHECK(d.vlan_id[1] == 12);
  CHECK(d.source.to_string() == "10.9.0.1");
  CHECK(d.destination.to_string() == "10.9.0.100");
  CHECK(d.source_port == 4000);
  CHECK(d.destination_port == 80);
  CHECK(d.sequence_number == 0x01020304);
  CHECK(d.acknowledgment_number == 0x05060708);
  CHECK(d.window == 501);
  CHECK(d.payload_length == 2);
  CHECK(d.payload_offset == packet.size() - 2);
}

TEST_CASE("link padding is not payload") {
  const DecodedPacket d = decode_bytes(ethernet(0x0800) + ipv4(6, tcp(1, 2, {})) + Bytes(6, 0));
  CHECK(d.status == DecodeStatus::kOk);
  CHECK(d.payload_length == 0);
}

TEST_CASE("IPv6 with extension headers, and its fragments") {
  const Bytes hop{6, 0, 1, 4, 0, 0, 0, 0};
  DecodedPacket d = decode_bytes(ethernet(0x86dd) + ipv6(0, hop + tcp(5, 6, {1, 2, 3})));
  CHECK(d.status == DecodeStatus::kOk);
  CHECK(d.protocol == kProtocolTcp);
  CHECK(d.payload_length == 3);

  const Bytes later{6, 0, 0x05, 0xa8, 0, 0, 0, 9};  // offset 1448, no more
  d = decode_bytes(ethernet(0x86dd) + ipv6(44, later + Bytes(40, 0xee)));
  CHECK(d.status == DecodeStatus::kOk);
  CHECK(d.is_fragment);
  CHECK(d.fragment_offset == 1448);
  CHECK_FALSE(d.has_transport);
  CHECK(d.ip_id == 9);
}

TEST_CASE("every link type finds the same packet") {
  const Bytes ip = ipv4(17, udp(53, 5353, {9, 9}));
  CHECK(decode_bytes(ip, LinkType::kRaw).destination_port == 5353);
  CHECK(decode_bytes(ip, LinkType::kIpv4).destination_port == 5353);
  CHECK(decode_bytes(Bytes{2, 0, 0, 0} + ip, LinkType::kNull).destination_port == 5353);
  CHECK(decode_bytes(Bytes(14, 0) + be16(0x0800) + ip, LinkType::kLinuxSll).destination_port == 5353);
  CHECK(decode_bytes(be16(0x0800) + Bytes(18, 0) + ip, LinkType::kLinuxSll2).destination_port == 5353);
  CHECK(decode_bytes(ip, static_cast<LinkType>(105)).status == DecodeStatus::kNotIp);
}

TEST_CASE("headers that contradict themselves") {
  CHECK(decode_bytes(ethernet(0x0806) + Bytes(28, 0)).status == DecodeStatus::kNotIp);
  Bytes bad = ethernet(0x0800) + ipv4(6, tcp(1, 2, {}));
  bad[14] = 0x43;  // header length 12
  CHECK(decode_bytes(bad).status == DecodeStatus::kMalformedNetwork);
  CHECK(decode_bytes(ethernet(0x0800) + ipv4(6, tcp(1, 2, {}, 4))).status == DecodeStatus::kMalformedTransport);
  CHECK(decode_bytes(ethernet(0x0800) + ipv4(6, tcp(1, 2, {}, 6))).status == DecodeStatus::kMalformedTransport);
  Bytes tags = ethernet(0x8100);
  for (int i = 0; i < 20; ++i) tags = tags + vlan(i, 0x8100);
  CHECK(decode_bytes(tags).status == DecodeStatus::kTooManyLayers);
}

TEST_CASE("a capture cut short keeps what the wire had") {
  const DecodedPacket d = decode_bytes(ethernet(0x0800) + ipv4(6, tcp(1, 2, {1, 2, 3}), 0, 100));
  CHECK(d.status == DecodeStatus::kOk);
  CHECK(d.payload_length == 3);
  CHECK(d.payload_wire_length == 103);
}

TEST_CASE("every prefix of a packet decodes without reading past its end") {
  const Bytes packet =
      ethernet(0x8100) + vlan(5, 0x86dd) +
      ipv6(0, Bytes{44, 0, 1, 4, 0, 0, 0, 0} + Bytes{6, 0, 0, 1, 0, 0, 0, 9} + tcp(5, 6, Bytes(30, 1)));
  for (size_t size = 0; size <= packet.size(); ++size) {
    const DecodedPacket d = decode_bytes(Bytes(packet.begin(), packet.begin() + static_cast<long>(size)));
    CHECK(d.payload_offset + d.payload_length <= std::max<size_t>(size, 0));
  }
}

TEST_CASE("random bytes never read past their end and never claim payload outside them") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const Bytes good = ethernet(0x0800) + ipv4(6, tcp(1, 2, Bytes(20, 7)));
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes = good;
    bytes.resize(random() % (good.size() + 1));
    for (int flips = 0; flips < 4 && !bytes.empty(); ++flips)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    const Guarded guarded(bytes);
    DecodedPacket d;
    decode(guarded.packet(), d);
    REQUIRE(d.payload_offset + d.payload_length <= bytes.size());
    checksums_ok(guarded.packet(), d);
  }
}

TEST_CASE("both directions of a conversation share key and hash") {
  const DecodedPacket there = decode_bytes(ethernet(0x0800) + ipv4(6, tcp(4000, 80, {})));
  Bytes back_ip = ipv4(6, tcp(80, 4000, {}));
  std::swap_ranges(back_ip.begin() + 12, back_ip.begin() + 16, back_ip.begin() + 16);
  const DecodedPacket back = decode_bytes(ethernet(0x0800) + back_ip);
  bool reversed_there, reversed_back;
  const FlowKey a = FlowKey::from(there, reversed_there), b = FlowKey::from(back, reversed_back);
  CHECK(a == b);
  CHECK(a.hash() == b.hash());
  CHECK(there.flow_hash == back.flow_hash);
  CHECK(reversed_there != reversed_back);
}

TEST_CASE("checksums") {
  // A real UDP datagram (DNS query) with right checksums, worked out by hand from RFC 1071.
  Bytes datagram = udp(1000, 2000, {0xab});
  Bytes ip = ipv4(17, datagram);
  const auto sum = [](const Bytes& bytes) {
    uint32_t s = 0;
    for (size_t i = 0; i < bytes.size(); i += 2)
      s += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0));
    while (s >> 16 != 0) s = (s & 0xffff) + (s >> 16);
    return static_cast<int>(~s & 0xffff);
  };
  const Bytes pseudo = Bytes(ip.begin() + 12, ip.begin() + 20) + Bytes{0, 17} + be16(static_cast<int>(datagram.size()));
  const Bytes udp_sum = be16(sum(pseudo + Bytes(ip.begin() + 20, ip.end())));
  ip[26] = udp_sum[0], ip[27] = udp_sum[1];
  const Bytes header_sum = be16(sum(Bytes(ip.begin(), ip.begin() + 20)));
  ip[10] = header_sum[0], ip[11] = header_sum[1];

  const auto ok = [](const Bytes& bytes) {
    const Guarded guarded(bytes);
    DecodedPacket d;
    decode(guarded.packet(), d);
    return checksums_ok(guarded.packet(), d);
  };
  CHECK(ok(ethernet(0x0800) + ip));
  for (size_t i = 0; i < ip.size(); ++i) {
    if (i < 20 && (i == 0 || i == 2 || i == 3 || i == 6 || i == 7 || i == 9))
      continue;                        // would decode as something else
    if (i == 24 || i == 25) continue;  // the UDP length
    Bytes broken = ip;
    broken[i] ^= 0x41;
    INFO("byte " << i);
    CHECK_FALSE(ok(ethernet(0x0800) + broken));
  }
  ip[26] = ip[27] = 0;  // none made
  CHECK(ok(ethernet(0x0800) + ip));
}
