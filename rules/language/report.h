// What became of rules, as text for people and as JSON for programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/language/load_report.h"

namespace gatetape {

struct KeywordCount {
  std::string keyword;  // "tls.sni", "protocol dns"
  uint64_t rules = 0;   // that use it and were therefore not loaded
};

// Descending by count, then by name.
std::vector<KeywordCount> unsupported_keywords(const RuleLoadReport& report);

std::string to_string(const RuleProblem& problem);  // "file:line:column: message"
const char* to_string(RuleProblemKind kind);        // "syntax", "unsupported", "duplicate", "compile"

// Every problem on a line of its own, the table of unsupported keywords, and the totals last, where a terminal shows
// them.
std::string report_as_text(const RuleLoadReport& report);
std::string report_as_json(const RuleLoadReport& report);

}  // namespace gatetape
