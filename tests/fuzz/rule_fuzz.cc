// Parses any bytes as a rule file. The parser must end, account for every rule, and place each problem inside the file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "rules/language/parser.h"
#include "rules/language/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gatetape;
  static const RuleVariables variables = RuleVariables::defaults();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ParsedRules parsed = parse_rule_text("fuzz", text, variables);
  const RuleLoadReport& report = parsed.report;
  GT_CHECK(report.loaded == parsed.rules.size());
  GT_CHECK(report.loaded + report.unsupported + report.broken == report.rules);
  const auto lines = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  for (const RuleProblem& problem : report.problems) {
    GT_CHECK(problem.location.line >= 1 && problem.location.line <= lines);
    GT_CHECK(problem.location.column >= 1 && problem.location.column <= size + 1);
    GT_CHECK(!problem.message.empty());
  }
  for (const Rule& rule : parsed.rules) {
    GT_CHECK(rule.source && rule.destination && rule.source_ports && rule.destination_ports && rule.sid != 0);
    for (const InspectionGroup& group : rule.groups) GT_CHECK(!group.elements.empty());
  }
  GT_CHECK(!report_as_json(report).empty());
  return 0;
}
