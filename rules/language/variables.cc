#include "rules/language/variables.h"

#include "rules/language/address_group.h"

namespace gatetape {
namespace {

bool is_name(std::string_view text) {
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return !text.empty();
}

}  // namespace

RuleVariables RuleVariables::defaults() {
  RuleVariables variables;
  variables.address_groups = {
      {"HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"},
      {"EXTERNAL_NET", "!$HOME_NET"},
      {"HTTP_SERVERS", "$HOME_NET"},
      {"SMTP_SERVERS", "$HOME_NET"},
      {"SQL_SERVERS", "$HOME_NET"},
      {"DNS_SERVERS", "$HOME_NET"},
      {"TELNET_SERVERS", "$HOME_NET"},
      {"AIM_SERVERS", "$EXTERNAL_NET"},
      {"DC_SERVERS", "$HOME_NET"},
      {"DNP3_SERVER", "$HOME_NET"},
      {"DNP3_CLIENT", "$HOME_NET"},
      {"MODBUS_CLIENT", "$HOME_NET"},
      {"MODBUS_SERVER", "$HOME_NET"},
      {"ENIP_CLIENT", "$HOME_NET"},
      {"ENIP_SERVER", "$HOME_NET"},
  };
  variables.port_groups = {
      {"HTTP_PORTS", "80"},     {"SHELLCODE_PORTS", "!80"},   {"ORACLE_PORTS", "1521"},
      {"SSH_PORTS", "22"},      {"DNP3_PORTS", "20000"},      {"MODBUS_PORTS", "502"},
      {"FTP_PORTS", "21"},      {"GENEVE_PORTS", "6081"},     {"VXLAN_PORTS", "4789"},
      {"TEREDO_PORTS", "3544"}, {"SIP_PORTS", "[5060,5061]"}, {"FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"},
  };
  return variables;
}

Result<void> set_rule_variable(RuleVariables& variables, std::string_view key, std::string_view value) {
  constexpr std::string_view kAddresses = "vars.address-groups.", kPorts = "vars.port-groups.";
  const bool addresses = key.starts_with(kAddresses);
  if (!addresses && !key.starts_with(kPorts)) return fail("not a rule variable: {}", key);
  const std::string name(key.substr(addresses ? kAddresses.size() : kPorts.size()));
  if (!is_name(name)) return fail("{}: not a variable name: {}", key, name);

  RuleVariables changed = variables;
  (addresses ? changed.address_groups : changed.port_groups)[name] = std::string(value);
  if (addresses) {
    if (auto group = parse_address_group(value, changed); !group) return fail("{}: {}", key, group.error().message);
  } else if (auto group = parse_port_group(value, changed); !group) {
    return fail("{}: {}", key, group.error().message);
  }
  variables = std::move(changed);
  return {};
}

Result<void> set_rule_variable(RuleVariables& variables, std::string_view setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string_view::npos) return fail("expected KEY=VALUE");
  return set_rule_variable(variables, setting.substr(0, equals), setting.substr(equals + 1));
}

}  // namespace gatetape
