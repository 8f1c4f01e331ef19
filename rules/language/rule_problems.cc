#include "rules/language/rule_problems.h"

#include <algorithm>

#include "rules/language/parser.h"

namespace gatetape {
namespace {

constexpr size_t kProblemsPerRuleMax = 64;

}  // namespace

void RuleProblems::unknown_keyword(std::string_view name) {
  broken_ = true;
  add(RuleProblemKind::kSyntax, name, fmt::format("unknown keyword: {}", name), name);
}

void RuleProblems::unsupported(std::string_view where, std::string_view what, std::string_view name) {
  unsupported_ = true;
  if (std::find(unsupported_names_.begin(), unsupported_names_.end(), name) != unsupported_names_.end()) return;
  unsupported_names_.push_back(name);
  const std::string keyword = what == "keyword" ? std::string(name) : fmt::format("{} {}", what, name);
  add(RuleProblemKind::kUnsupported, where, fmt::format("unsupported {}: {}", what, name), keyword);
}

bool RuleProblems::finish(uint32_t sid) {
  for (size_t i = first_; i < report_.problems.size(); ++i) report_.problems[i].sid = sid;
  if (broken_) {
    ++report_.broken;
  } else if (unsupported_) {
    ++report_.unsupported;
  }
  return !broken_ && !unsupported_;
}

void RuleProblems::add(RuleProblemKind kind, std::string_view where, std::string message, std::string_view keyword) {
  std::vector<RuleProblem>& problems = report_.problems;
  if (problems.size() >= first_ + kProblemsPerRuleMax || problems.size() >= kRuleProblemsMax) return;
  const RuleLine::Place place = line_.place_of(where.data());
  RuleProblem& problem = problems.emplace_back();
  problem.kind = kind;
  problem.location = {file_, place.line, place.column};
  problem.message = std::move(message);
  problem.keyword = keyword;
}

}  // namespace gatetape
