// The options that `capture` and `rules test` share, and the run itself with its account and summary.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "capture/session.h"
#include "cli/options.h"
#include "export/outlet.h"
#include "rules/engine/rule_set.h"
#include "rules/language/variables.h"

namespace gatetape {

struct RunOptions {
  std::vector<std::string> rules;
  RuleVariables variables = RuleVariables::defaults();
  std::string eve;
  std::string checksums = "on";
  std::string summary;
  std::string rules_cache;
  bool strict = false;
  int64_t flows_max = PipelineOptions().flows_max;

  void add_to(CommandLine& line);
};

// Adds --set.
void add_rule_variables_option(CommandLine& line, RuleVariables& variables);
// Adds --rules-cache with its default. Parsing leaves `directory` empty when the user wants no cache.
void add_rules_cache_option(CommandLine& line, std::string& directory);

// The parts of a run, made from its options. The outlets in `session` point to `eve`.
struct PreparedRun {
  SessionOptions session;
  RuleLoadReport report;  // empty when no rules were loaded
  std::unique_ptr<Outlet> eve;
};

// Loads the rules and prints to stderr how many did not load. `eve_required`: the records are what the run is for, so
// that it fails when EVE cannot take them. The error is for the user.
Result<PreparedRun> prepare_run(const RunOptions& options, bool eve_required);

// Runs the session until its end or Ctrl-C, prints the account to stderr and writes --summary. Returns the exit code.
int run_and_report(const CommandLine& line, const RunOptions& options, PreparedRun& run);

}  // namespace gatetape
