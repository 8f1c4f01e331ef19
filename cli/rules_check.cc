// gatetape rules check tells which rules load, and why the others do not.
#include <cstdio>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/run_options.h"
#include "common/log.h"
#include "rules/engine/rule_set.h"
#include "rules/language/report.h"
#include "rules/language/variables.h"

namespace gatetape {
namespace {

constexpr CommandText kText = {
    .command = "rules check",
    .usage = "FILE... [--json] [--set K=V]... [--rules-cache DIR]",
    .summary =
        "Parses and compiles rule files. Prints each reason why a rule does not load as FILE:LINE:COLUMN: MESSAGE,\n"
        "then the unsupported keywords with the number of rules that use them, then the totals.\n"
        "Exit code: 0 when every rule loads, 2 when one does not, 1 when a file cannot be read.",
    .examples =
        "  gatetape rules check local.rules\n"
        "  gatetape rules check et-open.rules | tail -40\n"
        "  gatetape rules check --set vars.address-groups.HOME_NET=203.0.113.0/24 --json *.rules | jq .loaded\n",
};

}  // namespace

int command_rules_check(int argc, char** argv) {
  CommandLine line(kText);
  bool as_json = false;
  std::vector<std::string> settings;
  line.options().add_options()("json", po::bool_switch(&as_json), "print the same as JSON")(
      "set", po::value(&settings)->composing()->value_name("K=V"),
      "set a rule variable: vars.address-groups.NAME or vars.port-groups.NAME");
  line.positional("file");
  RuleLoadOptions options;
  add_rules_cache_option(line, options.cache_directory);
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  options.files = line.words("file");
  if (options.files.empty()) return line.usage_error("no rule file given");
  if (auto applied = set_rule_variables(options.variables, settings); !applied) {
    return line.usage_error(applied.error().message);
  }

  const Result<LoadedRules> loaded = load_rules(options);
  if (!loaded) return line.failed(loaded.error());
  const RuleLoadReport& report = loaded->report;
  if (!report.cache_problem.empty()) log_warning("{}", report.cache_problem);
  const std::string text = as_json ? report_as_json(report) : report_as_text(report);
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) return line.failed(Error{"standard output: it cannot be written"});
  return report.loaded == report.rules ? kExitDone : kExitUsage;
}

}  // namespace gatetape
