// Text -> Rule. Reads whole files, parses them with no exceptions and bounded memory, and reports each rule that it
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

// What the string_views of rules point into: the files as read, and the few strings that had to be rewritten (escapes,
// hex, continued lines). Addresses are stable.
struct RuleText {
  std::deque<std::string> files;
  std::deque<std::string> strings;
};

struct ParsedRules {
  std::vector<std::string> files;  // names, as given
  std::vector<Rule> rules;  // in the order of the files; of rules with the same gid and sid, only the highest rev
  std::vector<std::string_view> flowbit_names;  // by FlowbitTest's indices
  std::shared_ptr<const RuleText> text;         // must live as long as any rule
  RuleLoadReport report;                        // `loaded` counts `rules`; times are not filled in
};

// A hostile file could have a problem per byte: beyond this many, problems are counted and no longer described.
inline constexpr size_t kRuleProblemsMax = 1'000'000;

// Fails only when a file cannot be read.
Result<ParsedRules> parse_rule_files(const RuleLoadOptions& options);

// The same from memory: `text` as the content of a file called `name`.
ParsedRules parse_rule_text(std::string_view name, std::string_view text, const RuleVariables& variables);

}  // namespace gatetape
