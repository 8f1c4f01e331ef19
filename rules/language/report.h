// Prints the report of a load as text for people and as JSON for programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/language/load_report.h"

namespace gatetape {

struct KeywordCount {
  std::string keyword;  // "tls.sni", "protocol dns"
  uint64_t rules = 0;   // those not loaded because they use it
};

// The unsupported keywords, sorted by descending count and then by name.
std::vector<KeywordCount> unsupported_keywords(const RuleLoadReport& report);

std::string to_string(const RuleProblem& problem);  // "file:line:column: message"
const char* to_string(RuleProblemKind kind);        // "syntax", "unsupported", "duplicate", "compile"

// A line for each problem, then the table of unsupported keywords, and last the totals, where a terminal shows them.
std::string report_as_text(const RuleLoadReport& report);
std::string report_as_json(const RuleLoadReport& report);

}  // namespace gatetape
