// Setting the variables of rules from a config file or the command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "rules/language/load_report.h"

namespace gatetape {

// `key` is "vars.address-groups.NAME" or "vars.port-groups.NAME", as in Suricata's YAML; the value is a group as rules
// write it. Fails when the key is not of that form or the value is not a group; a variable may be set that had no
// default.
Result<void> set_rule_variable(RuleVariables& variables, std::string_view key, std::string_view value);

// Each of `settings` is "KEY=VALUE", as --set takes it. Fails at the first that is not right, naming it.
Result<void> set_rule_variables(RuleVariables& variables, const std::vector<std::string>& settings);

}  // namespace gatetape
