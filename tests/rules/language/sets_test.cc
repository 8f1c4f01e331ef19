// Parses public rule sets, if they are in $GATETAPE_SHARED or in ../shared beside the project.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/rules/language/language_support.h"

namespace gatetape::test {
namespace {

namespace fs = std::filesystem;

// An existing path below the shared data; empty, after a message that the test is skipped, if there is none.
fs::path shared(const char* relative) {
  std::vector<fs::path> roots;
  if (const char* given = std::getenv("GATETAPE_SHARED")) roots.emplace_back(given);
  roots.emplace_back("../shared");
  roots.emplace_back("../../shared");
  for (const fs::path& root : roots) {
    if (fs::exists(root / relative)) return root / relative;
  }
  WARN("skipped: no " << relative << " in $GATETAPE_SHARED or ../shared");
  return {};
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Suricata refuses these two as well: a second threshold, and contents longer than their buffer may be.
constexpr uint32_t kContradictoryEtRules[] = {2016867, 2031264};

// Writes every rule in the canonical form and expects the parser to read the same rule back.
void check_round_trip(const ParsedRules& parsed) {
  std::string text;
  for (const Rule& rule : parsed.rules) text += to_rule_text(rule, parsed) + "\n";
  const ParsedRules again = gatetape::test::parse(text);
  for (const RuleProblem& problem : again.report.problems) UNSCOPED_INFO(problem.sid << ": " << problem.message);
  REQUIRE(again.report.problems.empty());
  REQUIRE(again.rules.size() == parsed.rules.size());
  for (size_t i = 0; i < parsed.rules.size(); ++i) {
    REQUIRE(describe(again.rules[i], again) == describe(parsed.rules[i], parsed));
  }
}

}  // namespace

TEST_CASE("language: all of ET Open parses, in little time, and reads back the same") {
  const fs::path path = shared("rules/et-open-2023-05-15.rules");
  if (path.empty()) return;
  RuleLoadOptions options;
  options.files = {path.string()};
  const auto start = std::chrono::steady_clock::now();
  auto parsed = parse_rule_files(options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  REQUIRE(parsed);
  std::vector<uint32_t> broken;
  for (const RuleProblem& problem : parsed->report.problems) {
    if (problem.kind != RuleProblemKind::kUnsupported) broken.push_back(problem.sid);
  }
  CHECK(broken == std::vector<uint32_t>(std::begin(kContradictoryEtRules), std::end(kContradictoryEtRules)));
  const RuleLoadReport& report = parsed->report;
  CHECK(report.rules == 31083);
  CHECK(report.loaded + report.unsupported + report.broken == report.rules);
  CHECK(report.loaded > 21000);
  WARN("ET Open: " << report.loaded << " of " << report.rules << " rules parsed in " << seconds << " s");
  check_round_trip(*parsed);
}

TEST_CASE("language: Suricata's own cases hold no rule that we call broken") {
  const fs::path root = shared("conformance");
  if (root.empty()) return;
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() != "test.rules") continue;
    const ParsedRules parsed = gatetape::test::parse(read_text(entry.path()));
    INFO(entry.path());
    for (const RuleProblem& problem : parsed.report.problems) {
      INFO(problem.location.line << ":" << problem.location.column << ": " << problem.message);
      CHECK(problem.kind == RuleProblemKind::kUnsupported);
    }
    check_round_trip(parsed);
    ++files;
  }
  CHECK(files > 600);
}

TEST_CASE("language: no change of bytes in real rules upsets the parser") {
  const fs::path path = shared("rules/et-open-2023-05-15.rules");
  if (path.empty()) return;
  const std::string text = read_text(path);
  const uint32_t seed = 7;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  constexpr std::string_view kBytes = ";:\"\\|,!()[]$/ \n\r\t-<>=0a";
  for (int round = 0; round < 300; ++round) {
    std::string piece = text.substr(random() % (text.size() - 4000), 4000);
    for (int change = 0; change < 40; ++change) piece[random() % piece.size()] = kBytes[random() % kBytes.size()];
    const ParsedRules parsed = gatetape::test::parse(piece);
    const RuleLoadReport& report = parsed.report;
    REQUIRE(report.loaded + report.unsupported + report.broken == report.rules);
    for (const RuleProblem& problem : report.problems) {
      REQUIRE(problem.location.line >= 1);
      REQUIRE(problem.location.column >= 1);
    }
    check_round_trip(parsed);
  }
}

}  // namespace gatetape::test
