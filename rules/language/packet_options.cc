// Tests on packet headers: dsize, ttl, itype, icode, ip_proto, flags, stream_size.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "rules/language/keywords.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_draft.h"

namespace gatetape {
namespace {

std::optional<uint8_t> flag_bit(char letter) {
  constexpr std::pair<char, uint8_t> kFlags[] = {{'F', 0x01}, {'S', 0x02}, {'R', 0x04}, {'P', 0x08}, {'A', 0x10},
                                                 {'U', 0x20}, {'E', 0x40}, {'2', 0x40}, {'C', 0x80}, {'1', 0x80}};
  const char upper = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  for (const auto& [name, bit] : kFlags) {
    if (name == upper) return bit;
  }
  if (upper == '0') return uint8_t{0};
  return std::nullopt;
}

std::optional<uint8_t> flag_bits(std::string_view letters) {
  uint8_t bits = 0;
  for (const char letter : letters) {
    const auto bit = flag_bit(letter);
    if (!bit) return std::nullopt;
    bits |= *bit;
  }
  return letters.empty() ? std::nullopt : std::optional(bits);
}

std::optional<uint8_t> protocol_number(std::string_view name) {
  constexpr std::pair<std::string_view, uint8_t> kNames[] = {
      {"icmp", 1}, {"igmp", 2}, {"tcp", 6},     {"udp", 17},       {"ipv6", 41}, {"gre", 47},
      {"esp", 50}, {"ah", 51},  {"icmpv6", 58}, {"ipv6-icmp", 58}, {"pim", 103}, {"sctp", 132}};
  for (const auto& [known, number] : kNames) {
    if (equal_without_case(known, name)) return number;
  }
  const auto number = parse_unsigned(name, 255);
  return number ? std::optional(static_cast<uint8_t>(*number)) : std::nullopt;
}

// Adds a test of a number in the packet's header that is at most `max`.
template <PacketField field, uint64_t max>
void add_packet_number(RuleDraft& draft, const Option& option) {
  const auto test = parse_number_test(option.value, max);
  if (!test) return draft.problems.syntax(option.value, "bad {}: {}", option.name, option.value);
  const auto same = [](const PacketTest& other) { return other.field == field; };
  if (std::any_of(draft.rule.packet_tests.begin(), draft.rule.packet_tests.end(), same)) {
    return draft.problems.syntax(option.name, "{} is given twice", option.name);
  }
  draft.rule.packet_tests.push_back({field, *test});
  if (draft.packet_where.empty()) draft.packet_where = option.name;
}

void add_ip_protocol(RuleDraft& draft, const Option& option) {
  std::string_view name = option.value;
  const char compare = name.starts_with('!') || name.starts_with('<') || name.starts_with('>') ? name.front() : '=';
  if (compare != '=') name = trimmed(name.substr(1));
  const auto number = protocol_number(name);
  const bool impossible = number && ((compare == '<' && *number == 0) || (compare == '>' && *number == 255));
  if (!number || impossible) return draft.problems.syntax(option.value, "bad ip_proto: {}", option.value);
  NumberTest test{*number, *number, compare == '!'};
  if (compare == '<') test = {0, *number - uint64_t{1}, false};
  if (compare == '>') test = {*number + uint64_t{1}, 255, false};
  draft.rule.packet_tests.push_back({PacketField::kIpProtocol, test});
}

void add_tcp_flags(RuleDraft& draft, const Option& option) {
  std::string_view ignored = option.value;
  std::string_view letters = next_part(ignored, ',');
  const bool has_ignored = ignored.data() != nullptr;
  TcpFlagsTest test;
  constexpr std::pair<char, FlagsMatch> kModifiers[] = {
      {'+', FlagsMatch::kAllOf}, {'*', FlagsMatch::kAnyOf}, {'!', FlagsMatch::kNoneOf}};
  for (const auto& [sign, match] : kModifiers) {
    if (letters.starts_with(sign)) {
      test.match = match;
      letters = trimmed(letters.substr(1));
      break;
    }
  }
  const auto flags = flag_bits(letters);
  const auto mask = has_ignored ? flag_bits(trimmed(ignored)) : std::optional<uint8_t>(uint8_t{0});
  if (!flags || !mask) return draft.problems.syntax(option.value, "bad flags: {}", option.value);
  test.flags = *flags;
  test.ignored = *mask;
  draft.rule.tcp_flags.push_back(test);
  if (draft.packet_where.empty()) draft.packet_where = option.name;
}

void add_stream_size(RuleDraft& draft, const Option& option) {
  constexpr std::pair<std::string_view, StreamSide> kSides[] = {{"server", StreamSide::kServer},
                                                                {"client", StreamSide::kClient},
                                                                {"both", StreamSide::kBoth},
                                                                {"either", StreamSide::kEither}};
  const std::vector<std::string_view> parts = split(option.value, ',');
  const auto* side = std::find_if(std::begin(kSides), std::end(kSides),
                                  [&](const auto& candidate) { return candidate.first == parts[0]; });
  if (parts.size() != 3 || side == std::end(kSides)) {
    return draft.problems.syntax(option.value, "stream_size needs SIDE, OPERATOR, NUMBER");
  }
  const auto test = parse_number_test(fmt::format("{}{}", parts[1], parts[2]), UINT32_MAX);
  if (!test) return draft.problems.syntax(option.value, "bad stream_size: {}", option.value);
  draft.rule.stream_sizes.push_back({side->second, *test});
}

using enum ValueShape;

constexpr KeywordInfo kKeywords[] = {
    {"dsize", kRequired, &add_packet_number<PacketField::kPayloadSize, UINT16_MAX>},
    {"ttl", kRequired, &add_packet_number<PacketField::kTtl, UINT8_MAX>},
    {"itype", kRequired, &add_packet_number<PacketField::kIcmpType, UINT8_MAX>},
    {"icode", kRequired, &add_packet_number<PacketField::kIcmpCode, UINT8_MAX>},
    {"ip_proto", kRequired, &add_ip_protocol},
    {"flags", kRequired, &add_tcp_flags},
    {"tcp.flags", kRequired, &add_tcp_flags},
    {"stream_size", kRequired, &add_stream_size},
};

}  // namespace

std::span<const KeywordInfo> packet_keywords() {
  return kKeywords;
}

}  // namespace gatetape
