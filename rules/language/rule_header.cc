#include "rules/language/rule_header.h"

#include <algorithm>
#include <utility>

#include "rules/language/keywords.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_draft.h"

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
                                                                    {"icmp", RuleProtocol::kIcmp}};

template <class Table>
auto find_in(const Table& table, std::string_view name) -> decltype(&table[0].second) {
  for (const auto& [key, value] : table) {
    if (equal_without_case(key, name)) return &value;
  }
  return nullptr;
}

// Takes the next token off the text: it ends at a blank or at the options, but a list in brackets may hold blanks.
std::string_view header_token(std::string_view& rest) {
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

void parse_action(RuleDraft& draft, std::string_view token) {
  if (const RuleAction* action = find_in(kActions, token)) {
    draft.rule.action = *action;
  } else if (equal_without_case(token, "config")) {
    draft.problems.unsupported(token, "action", token);
  } else {
    draft.problems.syntax(token, "unknown action: {}", token);
  }
}

// The protocols that a rule's header means by a name; none: the name is of no application protocol.
AppProtocolSet app_protocols_called(std::string_view name) {
  AppProtocolSet spoken = 0;
  for (size_t i = 0; i < std::size(kAppProtocols); ++i) {
    const AppProtocolRow& row = kAppProtocols[i];
    if (!name.empty() && (name == row.rule_name || name == row.rule_family))
      spoken |= set_of(static_cast<AppProtocol>(i));
  }
  return spoken;
}

void parse_protocol(RuleDraft& draft, std::string_view token) {
  draft.protocol_where = token;
  if (const RuleProtocol* protocol = find_in(kProtocols, token)) {
    draft.rule.protocol = *protocol;
    if (*protocol == RuleProtocol::kTcpPacket) draft.packet_where = token;
    if (*protocol == RuleProtocol::kTcpStream) draft.stream_where = token;
    return;
  }
  const std::string name = lower_case(token.substr(0, token.find(':')));
  const AppProtocolSet spoken = app_protocols_called(name);
  const bool hooked = name.size() != token.size();  // "tcp:flow_start": a hook of Suricata 8 behind a protocol
  if (!hooked && spoken != 0) {
    draft.rule.protocol = RuleProtocol::kApp;
    draft.rule.app_protocols = spoken;
  } else if ((hooked && (spoken != 0 || find_in(kProtocols, name) != nullptr)) || is_known_protocol(name)) {
    draft.problems.unsupported(token, "protocol", token);
  } else {
    draft.problems.syntax(token, "unknown protocol: {}", token);
  }
}

void parse_direction(RuleDraft& draft, std::string_view token) {
  if (token == "<>") {
    draft.rule.bidirectional = true;
  } else if (token == "=>") {
    draft.problems.unsupported(token, "direction", token);
  } else if (token != "->") {
    draft.problems.syntax(token, "not a direction: {} (expected -> or <>)", token);
  }
}

std::shared_ptr<const AddressSet> parse_addresses(RuleDraft& draft, std::string_view token) {
  GroupError error;
  auto set = draft.shared.address_set(token, error);
  if (!set) draft.problems.syntax(token.substr(error.position), "{}", error.message);
  return set;
}

std::shared_ptr<const PortSet> parse_ports(RuleDraft& draft, std::string_view token) {
  GroupError error;
  auto set = draft.shared.port_set(token, error);
  if (!set) draft.problems.syntax(token.substr(error.position), "{}", error.message);
  return set;
}

}  // namespace

bool parse_rule_header(std::string_view& rest, RuleDraft& draft) {
  constexpr std::string_view kParts[] = {
      "action", "protocol", "source address", "source port", "direction", "destination address", "destination port"};
  std::string_view tokens[std::size(kParts)];
  for (size_t i = 0; i < std::size(kParts); ++i) {
    tokens[i] = header_token(rest);
    if (tokens[i].empty()) {
      draft.problems.syntax(rest, "incomplete rule header: expected {}", kParts[i]);
      return false;
    }
  }
  parse_action(draft, tokens[0]);
  parse_protocol(draft, tokens[1]);
  draft.rule.source = parse_addresses(draft, tokens[2]);
  draft.rule.source_ports = parse_ports(draft, tokens[3]);
  parse_direction(draft, tokens[4]);
  draft.rule.destination = parse_addresses(draft, tokens[5]);
  draft.rule.destination_ports = parse_ports(draft, tokens[6]);
  // If both ends are the same, looking at the swapped ends would only report everything twice.
  if (draft.rule.source == draft.rule.destination && draft.rule.source_ports == draft.rule.destination_ports)
    draft.rule.bidirectional = false;
  return true;
}

}  // namespace gatetape
