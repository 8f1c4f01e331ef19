// The options that `capture` and `rules test` share, and what both say at the end: the summary.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "capture/session.h"
#include "cli/options.h"
#include "export/outlet.h"
#include "rules/engine/rule_set.h"

namespace gatetape {

struct RunOptions {
  std::vector<std::string> rules;
  std::vector<std::string> settings;  // --set K=V
  std::string eve;
  std::string checksums = "on";
  std::string summary;
  std::string rules_cache;
  bool strict = false;
  int64_t flows_max = PipelineOptions().flows_max;

  void add_to(CommandLine& line);
};

// --rules-cache, with its default; empty after parsing: no cache.
void add_rules_cache_option(CommandLine& line, std::string& directory);

// What a run is made of once its options are understood. The outlets in `session` point to `eve`.
struct PreparedRun {
  SessionOptions session;
  RuleLoadReport report;  // of the rules; empty without any
  std::unique_ptr<Outlet> eve;
};

// Loads rules. `eve_required`: the records are what the run is for, so that it fails when EVE cannot take them. Fails
// with a message for the user; problems with single rules are counted on stderr.
Result<PreparedRun> prepare_run(const RunOptions& options, bool eve_required);

// Runs the session until its end or Ctrl-C, prints the account to stderr, writes --summary. Returns the exit code.
int run_and_report(const CommandLine& line, const RunOptions& options, PreparedRun& run);

}  // namespace gatetape
