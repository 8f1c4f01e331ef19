#include "rules/language/rule_draft.h"

#include <algorithm>

#include "rules/language/option_values.h"

namespace gatetape {

bool starts_variable_name(std::string_view text) {
  if (text.empty()) return false;
  const char c = text.front();
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool RuleDraft::read_variable(std::string_view name, Operand& operand) {
  const auto found = std::find(variables.begin(), variables.end(), name);
  if (found == variables.end()) {
    problems.conflict(name, "unknown variable: {}", name);
    return false;
  }
  operand = Operand{0, static_cast<int16_t>(found - variables.begin())};
  return true;
}

bool RuleDraft::read_operand(std::string_view text, int64_t max, Operand& operand) {
  if (starts_variable_name(text)) return read_variable(text, operand);
  const auto number = parse_signed(text, max);
  if (!number) {
    problems.syntax(text, "not a number from -{} to {}: '{}'", max, max, text);
    return false;
  }
  operand = Operand{*number, -1};
  return true;
}

}  // namespace gatetape
