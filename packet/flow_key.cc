#include "packet/flow_key.h"

#include <openssl/evp.h>

#include <vector>

#include "common/check.h"

namespace gatetape {
namespace {

bool source_is_low(const IpAddress& source, uint16_t source_port, const IpAddress& destination,
                   uint16_t destination_port) {
  const int order = std::memcmp(source.bytes.data(), destination.bytes.data(), 16);
  return order < 0 || (order == 0 && source_port <= destination_port);
}

uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  x ^= x >> 32;
  return x;
}

// An ICMP type, which stands for a port, and the type that answers it (community ID specification, "ICMP").
struct IcmpPair {
  uint8_t type, answer;
};
constexpr IcmpPair kIcmpPairs[] = {{8, 0},   {0, 8},   {13, 14}, {14, 13}, {15, 16},
                                   {16, 15}, {17, 18}, {18, 17}, {10, 9},  {9, 10}};
constexpr IcmpPair kIcmpv6Pairs[] = {{128, 129}, {129, 128}, {133, 134}, {134, 133}, {135, 136}, {136, 135},
                                     {130, 131}, {131, 130}, {144, 145}, {145, 144}, {139, 140}, {140, 139}};

// Returns the two ports for the ID. One-way ICMP keeps type and code, which are then not put in order.
bool icmp_ports(Endpoints& e) {
  const auto look_up = [&](const auto& pairs) {
    for (const IcmpPair& pair : pairs) {
      if (pair.type == e.source_port) {
        e.destination_port = pair.answer;
        return true;
      }
    }
    return false;
  };
  return e.protocol == kProtocolIcmp ? look_up(kIcmpPairs) : look_up(kIcmpv6Pairs);
}

}  // namespace

FlowKey FlowKey::from(const DecodedPacket& d, bool& reversed) {
  // The ports of ICMP are type and code. The key leaves them out, because an echo and its reply belong
  // together. It leaves out the ports of fragments, because all fragments of a datagram belong together and
  // only the first has ports.
  const bool has_ports =
      d.has_transport && !d.is_fragment && d.protocol != kProtocolIcmp && d.protocol != kProtocolIcmpv6;
  const uint16_t source_port = has_ports ? d.source_port : 0;
  const uint16_t destination_port = has_ports ? d.destination_port : 0;
  FlowKey key;
  reversed = !source_is_low(d.source, source_port, d.destination, destination_port);
  key.low_address = reversed ? d.destination : d.source;
  key.high_address = reversed ? d.source : d.destination;
  key.low_port = reversed ? destination_port : source_port;
  key.high_port = reversed ? source_port : destination_port;
  key.vlan_id[0] = d.vlan_id[0];
  key.vlan_id[1] = d.vlan_id[1];
  key.protocol = d.protocol;
  return key;
}

uint64_t FlowKey::hash() const {
  uint64_t words[6] = {};
  std::memcpy(words, this, sizeof *this);
  uint64_t h = 0x9e3779b97f4a7c15u;
  for (const uint64_t word : words) h = mix(h ^ word) * 0x9fb21c651e98df25u;
  return mix(h);
}

std::string community_id(const Endpoints& endpoints, uint16_t seed) {
  Endpoints e = endpoints;
  const bool icmp = e.protocol == kProtocolIcmp || e.protocol == kProtocolIcmpv6;
  const bool one_way = icmp && !icmp_ports(e);
  if (!one_way && !source_is_low(e.source, e.source_port, e.destination, e.destination_port)) e = e.reversed();

  std::vector<uint8_t> input;
  const auto put16 = [&](uint16_t v) {
    input.push_back(static_cast<uint8_t>(v >> 8));
    input.push_back(static_cast<uint8_t>(v));
  };
  const auto put_address = [&](const IpAddress& a) {
    input.insert(input.end(), a.bytes.begin() + (a.is_v4() ? 12 : 0), a.bytes.end());
  };
  put16(seed);
  put_address(e.source);
  put_address(e.destination);
  input.push_back(e.protocol);
  input.push_back(0);
  if (e.protocol == kProtocolTcp || e.protocol == kProtocolUdp || e.protocol == kProtocolSctp || icmp) {
    put16(e.source_port);
    put16(e.destination_port);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned digest_length = 0;
  GT_CHECK(EVP_Digest(input.data(), input.size(), digest, &digest_length, EVP_sha1(), nullptr) == 1);
  unsigned char text[64];
  const int length = EVP_EncodeBlock(text, digest, static_cast<int>(digest_length));
  return "1:" + std::string(reinterpret_cast<char*>(text), static_cast<size_t>(length));
}

}  // namespace gatetape
