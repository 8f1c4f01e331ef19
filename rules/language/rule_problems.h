// The problems of one rule, put into the report of the load with their places in the file. Every part of the parser
// reports through this class.
//
// Each call marks the rule as broken or unsupported; whoever parses the rule asks for that at the end. `where` is the
// text that a problem is about and must lie in the rule's text, because its address gives line and column.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/language/load_report.h"
#include "rules/language/rule_lines.h"

namespace gatetape {

class RuleProblems {
 public:
  // All three must outlive this object.
  RuleProblems(RuleLoadReport& report, const std::string& file, const RuleLine& line)
      : report_(report), file_(file), line_(line), first_(report.problems.size()) {}

  // Suricata, too, would refuse the rule.
  template <class... Args>
  void syntax(std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
    broken_ = true;
    add(RuleProblemKind::kSyntax, where, fmt::format(format, std::forward<Args>(args)...), {});
  }

  // An option contradicts other options. This is not reported of a rule with an unsupported part, because the meaning
  // of such a rule is not known.
  template <class... Args>
  void conflict(std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
    if (!unsupported_) syntax(where, format, std::forward<Args>(args)...);
  }

  void unknown_keyword(std::string_view name);

  // Suricata would take the rule, but the engine does not. `what` is "keyword", "protocol" and the like. Each name is
  // reported once per rule.
  void unsupported(std::string_view where, std::string_view what, std::string_view name);

  bool is_broken() const { return broken_; }
  bool is_unsupported() const { return unsupported_; }

  // Ends the rule: its problems get its sid (0: not known), and the report counts it if it is not sound. Returns
  // whether it is sound.
  bool finish(uint32_t sid);

 private:
  void add(RuleProblemKind kind, std::string_view where, std::string message, std::string_view keyword);

  RuleLoadReport& report_;
  const std::string& file_;
  const RuleLine& line_;
  size_t first_;  // in the report: this rule's first problem
  bool broken_ = false;
  bool unsupported_ = false;
  std::vector<std::string_view> unsupported_names_;
};

}  // namespace gatetape
