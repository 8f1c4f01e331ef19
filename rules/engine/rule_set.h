// Loads rule files: the compiled, immutable rule set, and a report on every rule that is not in it.
#pragma once

#include <memory>

#include "common/result.h"
#include "rules/language/load_report.h"

namespace gatetape {

class RuleSet;

struct LoadedRules {
  std::shared_ptr<const RuleSet> rules;  // may hold no rule at all
  RuleLoadReport report;
};

// Reads, parses and compiles. Fails only when a file cannot be read or nothing can be compiled at all; problems with
// single rules are in the report.
Result<LoadedRules> load_rules(const RuleLoadOptions& options);

}  // namespace gatetape
