#include "rules/language/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "common/count_text.h"
#include "common/json_writer.h"

namespace gatetape {

std::vector<KeywordCount> unsupported_keywords(const RuleLoadReport& report) {
  std::map<std::string_view, uint64_t> counts;  // a rule's problems name each keyword once
  for (const RuleProblem& problem : report.problems) {
    if (problem.kind == RuleProblemKind::kUnsupported) ++counts[problem.keyword];
  }
  std::vector<KeywordCount> sorted;
  for (const auto& [keyword, rules] : counts) sorted.push_back({std::string(keyword), rules});
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const KeywordCount& a, const KeywordCount& b) { return a.rules > b.rules; });
  return sorted;
}

const char* to_string(RuleProblemKind kind) {
  switch (kind) {
    case RuleProblemKind::kSyntax:
      return "syntax";
    case RuleProblemKind::kUnsupported:
      return "unsupported";
    case RuleProblemKind::kDuplicate:
      return "duplicate";
    case RuleProblemKind::kCompile:
      return "compile";
  }
  return "";
}

std::string to_string(const RuleProblem& problem) {
  const RuleLocation& place = problem.location;
  return fmt::format("{}:{}:{}: {}", place.file, place.line, place.column, problem.message);
}

std::string report_as_text(const RuleLoadReport& report) {
  std::string out;
  for (const RuleProblem& problem : report.problems) {
    out += to_string(problem);
    out += '\n';
  }
  const std::vector<KeywordCount> keywords = unsupported_keywords(report);
  const auto append = std::back_inserter(out);
  if (!keywords.empty()) fmt::format_to(append, "\n{:>8}  unsupported\n", "rules");
  for (const KeywordCount& count : keywords) fmt::format_to(append, "{:>8}  {}\n", count.rules, count.keyword);
  if (!out.empty()) out += '\n';
  fmt::format_to(append, "{}: {} loaded, {} unsupported, {} broken\n", counted(report.rules, "rule", "rules"),
                 format_count(report.loaded), format_count(report.unsupported), format_count(report.broken));
  return out;
}

std::string report_as_json(const RuleLoadReport& report) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("rules", report.rules).field("loaded", report.loaded);
  json.field("unsupported", report.unsupported).field("broken", report.broken);
  json.begin_array("unsupported_keywords");
  for (const KeywordCount& count : unsupported_keywords(report)) {
    json.begin_object().field("keyword", count.keyword).field("rules", count.rules).end_object();
  }
  json.end_array().field("load_seconds", report.load_seconds);
  json.field("databases", report.databases).field("databases_cached", report.databases_cached);
  json.begin_array("problems");
  for (const RuleProblem& problem : report.problems) {
    json.begin_object().field("file", problem.location.file).field("line", problem.location.line);
    json.field("column", problem.location.column).field("kind", std::string_view(to_string(problem.kind)));
    json.field("message", problem.message);
    if (!problem.keyword.empty()) json.field("keyword", problem.keyword);
    if (problem.sid != 0) json.field("sid", problem.sid);
    json.end_object();
  }
  json.end_array().end_object();
  out += '\n';
  return out;
}

}  // namespace gatetape
