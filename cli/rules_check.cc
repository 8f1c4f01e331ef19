// gatetape rules check tells which rules load, and why the others do not.
#include <cstdio>
#include <optional>

#include "cli/commands.h"
#include "cli/run_options.h"
#include "common/log.h"
#include "common/progress.h"
#include "rules/engine/rule_set.h"
#include "rules/language/report.h"
#include "rules/language/variables.h"

namespace gatetape {
namespace {

class RulesCheckCommand : public Command {
 public:
  CommandText text() const override {
    return {.command = "rules check",
            .usage = "FILE... [--json] [--set K=V]... [--rules-cache DIR]",
            .summary =
                "Parses and compiles rule files. Prints each reason why a rule does not load as FILE:LINE:COLUMN: "
                "MESSAGE, then the unsupported keywords with the number of rules that use them, then the totals.\n\n"
                "Exit code: 0 when every rule loads, 2 when one does not, 1 when a file cannot be read.",
            .examples =
                "  gatetape rules check local.rules\n"
                "  gatetape rules check --config /etc/gatetape/gatetape.conf\n"
                "  gatetape rules check et-open.rules | tail -40\n"
                "  gatetape rules check --set vars.address-groups.HOME_NET=203.0.113.0/24 --json *.rules | jq "
                ".loaded\n"};
  }

  void add_options(CommandLine& line) override {
    line.list("rules", "FILE", options_.files, "a rule file, beside those that are arguments");
    line.flag("json", json_, "print the same as JSON");
    add_rule_variables_option(line, options_.variables);
    add_rules_cache_option(line, options_.cache_directory);
    line.positional(files_);
  }

  int run(const CommandLine& line) override {
    if (!files_.empty() && !line.given("rules")) options_.files.clear();  // those of the configuration are not meant
    options_.files.insert(options_.files.end(), files_.begin(), files_.end());
    if (options_.files.empty()) return line.usage_error("no rule file given");
    std::optional<ProgressLine> progress(std::in_place, [] { return "compiling rules"; });
    const Result<LoadedRules> loaded = load_rules(options_);
    progress.reset();
    if (!loaded) return line.failed(loaded.error());
    const RuleLoadReport& report = loaded->report;
    if (!report.cache_problem.empty()) log_warning("{}", report.cache_problem);
    const std::string text = json_ ? report_as_json(report) : report_as_text(report);
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    if (!written) return line.failed(Error{"standard output: it cannot be written"});
    return report.loaded == report.rules ? kExitDone : kExitUsage;
  }

 private:
  RuleLoadOptions options_;
  std::vector<std::string> files_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> command_rules_check() {
  return std::make_unique<RulesCheckCommand>();
}

}  // namespace gatetape
