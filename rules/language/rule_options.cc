#include "rules/language/rule_options.h"

#include <algorithm>

#include "rules/language/keywords.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_draft.h"

namespace gatetape {
namespace {

std::string_view trimmed_left(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

// The end of the option at the start of `text`: a ';' without a backslash before it, in quotes or not.
size_t option_end(std::string_view text) {
  size_t end = text.find(';');
  while (end != std::string_view::npos && end > 0 && text[end - 1] == '\\') end = text.find(';', end + 1);
  return end;
}

// Reads a value that must be in quotes. False after reporting that it is not.
bool strip_quotes(RuleDraft& draft, Option& option, std::string_view value) {
  if (!value.starts_with('"')) {
    draft.problems.syntax(value.empty() ? option.name : value, "the value of {} must be in double quotes", option.name);
    return false;
  }
  if (value.size() < 2 || !value.ends_with('"')) {
    draft.problems.syntax(value, "missing closing quote or ';' in the value of {}", option.name);
    return false;
  }
  option.value = value.substr(1, value.size() - 2);
  if (option.value.empty() && option.info->value != ValueShape::kQuoted) {
    draft.problems.syntax(value, "{} is empty", option.name);
    return false;
  }
  return true;
}

// Reads the value in the shape that the keyword has. False after reporting that it has another one.
bool read_value(RuleDraft& draft, Option& option, std::string_view value) {
  const ValueShape expected = option.info->value;
  const bool takes_none = expected == ValueShape::kNone || expected == ValueShape::kNoneOrSide;
  value = trimmed(value);
  if (value.empty()) {
    option.value = option.name.substr(option.name.size());
    if (takes_none || expected == ValueShape::kOptional) return true;
    draft.problems.syntax(option.name, "{} needs a value", option.name);
    return false;
  }
  if (expected == ValueShape::kNoneOrSide && (value == "to_server" || value == "to_client")) {
    draft.problems.unsupported(option.name, "keyword",
                               draft.shared.keep(fmt::format("{}:{}", option.info->name, value)));
    return false;
  }
  if (takes_none) {
    draft.problems.syntax(value, "{} takes no value", option.name);
    return false;
  }
  const bool maybe_quoted = expected == ValueShape::kNegatableMaybeQuoted;
  if ((maybe_quoted || expected == ValueShape::kNegatableQuoted) && value.starts_with('!')) {
    option.negated = true;
    value = trimmed(value.substr(1));
  }
  const bool must_be_quoted = expected == ValueShape::kQuoted || expected == ValueShape::kNegatableQuoted;
  if (must_be_quoted || (maybe_quoted && value.starts_with('"'))) return strip_quotes(draft, option, value);
  option.value = value;
  if (value.starts_with('"') && expected != ValueShape::kText) {
    draft.problems.syntax(value, "{} takes no quotes", option.name);
    return false;
  }
  return true;
}

void parse_option(RuleDraft& draft, std::string_view text) {
  Option option;
  const size_t colon = std::min(text.find(':'), text.size());
  option.name = trimmed(text.substr(0, colon));
  if (option.name.empty()) return draft.problems.syntax(text, "empty option");
  option.info = find_keyword(option.name);
  if (option.info == nullptr) return draft.problems.unknown_keyword(option.name);
  if (option.info->handler == nullptr) return draft.problems.unsupported(option.name, "keyword", option.info->name);
  const std::string_view value = text.substr(std::min(colon + 1, text.size()));
  if (read_value(draft, option, value)) option.info->handler(draft, option);
}

}  // namespace

bool parse_rule_options(std::string_view rest, RuleDraft& draft) {
  rest = trimmed(rest);
  const std::string_view open = rest;
  if (!rest.starts_with('(')) {
    draft.problems.syntax(open, "expected '(' and the rule's options");
    return false;
  }
  rest.remove_prefix(1);
  if (!rest.ends_with(')')) {
    draft.problems.syntax(open, "missing ')' at the end of the rule");
    return false;
  }
  rest.remove_suffix(1);
  for (rest = trimmed_left(rest); !rest.empty(); rest = trimmed_left(rest)) {
    const size_t end = option_end(rest);
    if (end == std::string_view::npos) {
      draft.problems.syntax(rest, "missing ';' after this option");
      return false;
    }
    parse_option(draft, rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace gatetape
