// Parses rule files to Rules. It reads whole files, throws nothing, uses bounded memory, and reports each rule that it
// cannot take with file, line and column.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "rules/language/load_report.h"
#include "rules/language/rule.h"

namespace gatetape {

// The text that string_views of rules point into: the files as read, and the few strings that had to be rewritten
// because of escapes, hex or continued lines. Addresses are stable.
struct RuleText {
  std::deque<std::string> files;
  std::deque<std::string> strings;
};

struct ParsedRules {
  std::vector<std::string> files;  // names, as given
  std::vector<Rule> rules;         // in the order of the files; only the highest rev of rules with the same gid and sid
  std::vector<std::string_view> flowbit_names;  // by the indices in FlowbitTest
  std::shared_ptr<const RuleText> text;         // must live as long as any rule
  RuleLoadReport report;                        // `loaded` counts `rules`; times are not filled in
};

// A hostile file could have a problem per byte. Problems beyond this number are counted but not described.
inline constexpr size_t kRuleProblemsMax = 1'000'000;

// Parses all files of the options. Fails only if a file cannot be read.
Result<ParsedRules> parse_rule_files(const RuleLoadOptions& options);

// Parses `text` as the content of a file called `name`.
ParsedRules parse_rule_text(std::string_view name, std::string_view text, const RuleVariables& variables);

}  // namespace gatetape
