// The header of a rule: action, protocol, addresses, ports, direction.
#include <algorithm>
#include <utility>

#include "common/json_writer.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_builder.h"

namespace gatetape {
namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

constexpr std::pair<std::string_view, RuleAction> kActions[] = {
    {"alert", RuleAction::kAlert},      {"pass", RuleAction::kPass},        {"drop", RuleAction::kDrop},
    {"reject", RuleAction::kReject},    {"rejectsrc", RuleAction::kReject}, {"rejectdst", RuleAction::kReject},
    {"rejectboth", RuleAction::kReject}};

constexpr std::pair<std::string_view, RuleProtocol> kProtocols[] = {{"ip", RuleProtocol::kIp},
                                                                    {"tcp", RuleProtocol::kTcp},
                                                                    {"tcp-pkt", RuleProtocol::kTcpPacket},
                                                                    {"tcp-stream", RuleProtocol::kTcpStream},
                                                                    {"udp", RuleProtocol::kUdp},
                                                                    {"icmp", RuleProtocol::kIcmp},
                                                                    {"http", RuleProtocol::kHttp},
                                                                    {"http1", RuleProtocol::kHttp1}};

template <class Table>
auto find_in(const Table& table, std::string_view name) -> decltype(&table[0].second) {
  for (const auto& [key, value] : table) {
    if (equal_without_case(key, name)) return &value;
  }
  return nullptr;
}

}  // namespace

bool RuleBuilder::check_characters() {
  const std::string_view text = line_.text;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const size_t length = c >= 0x20 && c < 0x7f ? 1 : utf8_sequence_length(text.substr(i));
    const bool control = length == 1 && (c == 0x7f || (c < 0x20 && !is_space(c)));
    if (control || length == 0) {
      syntax_error(text.substr(i), "{}", control ? "control character in rule" : "rule is not valid UTF-8");
      return false;
    }
    i += length;
  }
  return true;
}

// The next token: up to a blank or the options, but a list in brackets may hold blanks.
std::string_view RuleBuilder::header_token(std::string_view& rest) {
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  int open = 0;
  size_t end = 0;
  for (; end < rest.size(); ++end) {
    const char c = rest[end];
    open += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (open <= 0 && (is_space(c) || c == '(')) break;
  }
  const std::string_view token = rest.substr(0, end);
  rest.remove_prefix(end);
  return token;
}

bool RuleBuilder::parse_header(std::string_view& rest) {
  constexpr std::string_view kParts[] = {
      "action", "protocol", "source address", "source port", "direction", "destination address", "destination port"};
  std::string_view tokens[std::size(kParts)];
  for (size_t i = 0; i < std::size(kParts); ++i) {
    tokens[i] = header_token(rest);
    if (tokens[i].empty()) {
      syntax_error(rest, "incomplete rule header: expected {}", kParts[i]);
      return false;
    }
  }
  parse_action(tokens[0]);
  parse_protocol(tokens[1]);
  rule_.source = parse_addresses(tokens[2]);
  rule_.source_ports = parse_ports(tokens[3]);
  parse_direction(tokens[4]);
  rule_.destination = parse_addresses(tokens[5]);
  rule_.destination_ports = parse_ports(tokens[6]);
  // The swapped twin of a rule whose ends are the same would only report everything twice.
  if (rule_.source == rule_.destination && rule_.source_ports == rule_.destination_ports) rule_.bidirectional = false;
  return true;
}

void RuleBuilder::parse_action(std::string_view token) {
  if (const RuleAction* action = find_in(kActions, token)) {
    rule_.action = *action;
  } else if (equal_without_case(token, "config")) {
    unsupported(token, "action", token);
  } else {
    syntax_error(token, "unknown action: {}", token);
  }
}

void RuleBuilder::parse_protocol(std::string_view token) {
  protocol_where_ = token;
  if (const RuleProtocol* protocol = find_in(kProtocols, token)) {
    rule_.protocol = *protocol;
    if (*protocol == RuleProtocol::kTcpPacket) packet_where_ = token;
    if (*protocol == RuleProtocol::kTcpStream) stream_where_ = token;
    return;
  }
  // "tcp:flow_start": a hook of Suricata 8 behind a protocol.
  const std::string name = lower_case(token.substr(0, token.find(':')));
  const bool hooked = token.find(':') != std::string_view::npos && find_in(kProtocols, name) != nullptr;
  if (hooked || is_known_protocol(name)) {
    unsupported(token, "protocol", token);
  } else {
    syntax_error(token, "unknown protocol: {}", token);
  }
}

void RuleBuilder::parse_direction(std::string_view token) {
  if (token == "<>") {
    rule_.bidirectional = true;
  } else if (token == "=>") {
    unsupported(token, "direction", token);
  } else if (token != "->") {
    syntax_error(token, "not a direction: {} (expected -> or <>)", token);
  }
}

std::shared_ptr<const AddressSet> RuleBuilder::parse_addresses(std::string_view token) {
  GroupError error;
  auto set = context_.address_set(token, error);
  if (!set) syntax_error(token.substr(error.position), "{}", error.message);
  return set;
}

std::shared_ptr<const PortSet> RuleBuilder::parse_ports(std::string_view token) {
  GroupError error;
  auto set = context_.port_set(token, error);
  if (!set) syntax_error(token.substr(error.position), "{}", error.message);
  return set;
}

}  // namespace gatetape
