// Sets the variables of rules from a config file or the command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "rules/language/load_report.h"

namespace gatetape {

// Sets one variable. `key` is "vars.address-groups.NAME" or "vars.port-groups.NAME", as in Suricata's YAML, and `value`
// is a group as in a rule. NAME need not have a default. Fails if the key is not of that form or the value is not a
// group.
Result<void> set_rule_variable(RuleVariables& variables, std::string_view key, std::string_view value);

// The same, given as "KEY=VALUE".
Result<void> set_rule_variable(RuleVariables& variables, std::string_view setting);

}  // namespace gatetape
