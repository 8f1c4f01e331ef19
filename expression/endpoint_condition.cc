#include "expression/endpoint_condition.h"

#include <charconv>
#include <span>
#include <vector>

namespace gatetape {

namespace {

using Side = EndpointCondition::Side;

std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r";
  std::vector<std::string_view> words;
  for (size_t begin = text.find_first_not_of(kSpace); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpace, end);
  }
  return words;
}

// Parses a decimal number without leading zeros. To libpcap 0x50 is hexadecimal and 0120 is octal.
std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  return port;
}

bool parse_port_range(std::string_view text, EndpointCondition& condition) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return false;
  condition.port_low = parse_port(text.substr(0, dash));
  condition.port_high = parse_port(text.substr(dash + 1));
  if (!condition.port_low || !condition.port_high) return false;
  if (*condition.port_low > *condition.port_high) std::swap(condition.port_low, condition.port_high);
  return true;
}

// Takes a protocol word, which may stand alone or before the rest. Returns whether it was one.
bool parse_protocol(std::string_view word, EndpointCondition& condition) {
  if (word == "ip" || word == "icmp") condition.ip_version = 4;
  if (word == "ip6" || word == "icmp6") condition.ip_version = 6;
  if (word == "ip" || word == "ip6") return true;
  if (word == "tcp") condition.protocol = kProtocolTcp;
  if (word == "udp") condition.protocol = kProtocolUdp;
  if (word == "sctp") condition.protocol = kProtocolSctp;
  if (word == "icmp") condition.protocol = kProtocolIcmp;
  if (word == "icmp6") condition.protocol = kProtocolIcmpv6;
  return condition.protocol.has_value();
}

// Takes "src", "dst", "src or dst" or "src and dst" off the front of `words`.
Side take_side(std::span<const std::string_view>& words) {
  const auto is_side = [](std::string_view word) { return word == "src" || word == "dst"; };
  if (words.empty() || !is_side(words[0])) return Side::kEither;
  const Side single = words[0] == "src" ? Side::kSource : Side::kDestination;
  if (words.size() >= 3 && is_side(words[2]) && words[0] != words[2]) {
    const bool both = words[1] == "and" || words[1] == "&&";
    if (both || words[1] == "or" || words[1] == "||") {
      words = words.subspan(3);
      return both ? Side::kBoth : Side::kEither;
    }
  }
  words = words.subspan(1);
  return single;
}

bool parse_address(std::string_view type, std::string_view text, EndpointCondition& condition) {
  const bool has_length = text.find('/') != std::string_view::npos;
  // "net 10" and "net 10.1.0.0" leave the length to libpcap's rules; "host 10.0.0.0/8" is an error to it.
  if ((type == "net" && !has_length) || (type == "host" && has_length)) return false;
  const Result<IpPrefix> prefix = IpPrefix::parse(text);
  if (!prefix) return false;
  condition.prefix = *prefix;
  return true;
}

}  // namespace

bool EndpointCondition::matches(const Endpoints& endpoints) const {
  if (protocol && endpoints.protocol != *protocol) return false;
  if (ip_version != 0 && endpoints.source.is_v4() != (ip_version == 4)) return false;
  if (port_low && endpoints.protocol != kProtocolTcp && endpoints.protocol != kProtocolUdp &&
      endpoints.protocol != kProtocolSctp) {
    return false;
  }
  const auto holds = [&](const IpAddress& address, uint16_t port) {
    return (!prefix || prefix->contains(address)) && (!port_low || (port >= *port_low && port <= *port_high));
  };
  const bool source = holds(endpoints.source, endpoints.source_port);
  const bool destination = holds(endpoints.destination, endpoints.destination_port);
  switch (side) {
    case Side::kEither:
      return source || destination;
    case Side::kSource:
      return source;
    case Side::kDestination:
      return destination;
    case Side::kBoth:
      return source && destination;
  }
  return false;
}

std::optional<EndpointCondition> parse_endpoint_condition(std::string_view primitive) {
  const std::vector<std::string_view> all = words_of(primitive);
  std::span<const std::string_view> words(all);
  EndpointCondition condition;
  if (!words.empty() && parse_protocol(words[0], condition)) {
    words = words.subspan(1);
    if (words.empty()) return condition;
  }
  const bool sided = !words.empty() && (words[0] == "src" || words[0] == "dst");
  condition.side = take_side(words);
  const bool transport =
      condition.protocol && *condition.protocol != kProtocolIcmp && *condition.protocol != kProtocolIcmpv6;
  if (words.size() == 1 && sided && !condition.protocol) {
    if (parse_address("", words[0], condition)) return condition;
  }
  if (words.size() != 2) return std::nullopt;
  if (words[0] == "port" && (transport || (!condition.protocol && condition.ip_version == 0))) {
    condition.port_low = condition.port_high = parse_port(words[1]);
    if (condition.port_low) return condition;
  } else if (words[0] == "portrange" && (transport || (!condition.protocol && condition.ip_version == 0))) {
    if (parse_port_range(words[1], condition)) return condition;
  } else if ((words[0] == "host" || words[0] == "net") && !condition.protocol) {
    if (parse_address(words[0], words[1], condition)) return condition;
  }
  return std::nullopt;
}

}  // namespace gatetape
