// IP addresses and networks. IPv4 and IPv6 share one form of 16 bytes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/result.h"

namespace gatetape {

// An address in network byte order, trivially copyable. IPv4 is mapped into IPv6: ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  static IpAddress from_v4(const uint8_t* four_bytes) {
    IpAddress a;
    a.bytes[10] = a.bytes[11] = 0xff;
    std::memcpy(a.bytes.data() + 12, four_bytes, 4);
    return a;
  }
  static IpAddress from_v6(const uint8_t* sixteen_bytes) {
    IpAddress a;
    std::memcpy(a.bytes.data(), sixteen_bytes, 16);
    return a;
  }
  // Parses "10.0.0.1" or "2001:db8::1".
  static Result<IpAddress> parse(std::string_view text);

  bool is_v4() const {
    uint64_t high;
    uint32_t middle;
    std::memcpy(&high, bytes.data(), 8);
    std::memcpy(&middle, bytes.data() + 8, 4);
    return high == 0 && middle == 0xffff0000u;
  }
  std::string to_string() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// A network. The prefix length counts in the 128-bit form: an IPv4 /24 has length 120.
struct IpPrefix {
  IpAddress address;  // host bits are zero
  uint8_t length = 128;

  // Parses "10.0.0.0/8", "2001:db8::/32" or a single address. Clears host bits that are set.
  static Result<IpPrefix> parse(std::string_view text);
  bool contains(const IpAddress& a) const;
  std::string to_string() const;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

}  // namespace gatetape
