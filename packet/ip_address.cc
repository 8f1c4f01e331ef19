#include "packet/ip_address.h"

#include <arpa/inet.h>

#include <charconv>

namespace gatetape {

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  uint8_t bytes[16];
  if (inet_pton(AF_INET, terminated.c_str(), bytes) == 1) return from_v4(bytes);
  if (inet_pton(AF_INET6, terminated.c_str(), bytes) == 1) return from_v6(bytes);
  return fail("not an IP address: '{}'", text);
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  if (is_v4()) {
    inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  Result<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return pass_on(address);
  const int longest = address->is_v4() ? 32 : 128;
  int length = longest;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() || length < 0 || length > longest) {
      return fail("not a prefix length from 0 to {}: '{}'", longest, text);
    }
  }
  IpPrefix prefix{*address, static_cast<uint8_t>(length + 128 - longest)};
  for (int bit = prefix.length; bit < 128; ++bit) {
    prefix.address.bytes[bit / 8] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
  return prefix;
}

bool IpPrefix::contains(const IpAddress& a) const {
  const int whole = length / 8;
  if (std::memcmp(address.bytes.data(), a.bytes.data(), whole) != 0) return false;
  if (length % 8 == 0) return true;
  const int mask = (0xff00 >> (length % 8)) & 0xff;
  return (address.bytes[whole] & mask) == (a.bytes[whole] & mask);
}

std::string IpPrefix::to_string() const {
  const int shown = address.is_v4() && length >= 96 ? length - 96 : length;
  return fmt::format("{}/{}", address.to_string(), shown);
}

}  // namespace gatetape
