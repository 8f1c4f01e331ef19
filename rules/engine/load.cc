#include <chrono>

#include "rules/engine/compile.h"
#include "rules/engine/rule_set.h"
#include "rules/language/parser.h"

namespace gatetape {

Result<LoadedRules> load_rules(const RuleLoadOptions& options) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Clock::time_point start = Clock::now();
  auto parsed = parse_rule_files(options);
  if (!parsed) return pass_on(parsed);
  LoadedRules loaded;
  loaded.report = std::move(parsed->report);
  const Clock::time_point compile_start = Clock::now();
  DatabaseCache cache(options.cache_directory);
  auto compiled = RuleSet::compile(std::move(*parsed), cache);
  if (!compiled) return pass_on(compiled);
  loaded.rules = std::move(*compiled);
  cache.prune();
  loaded.report.cache_problem = cache.problem();
  for (const PrefilterInfo& info : loaded.rules->prefilters()) {
    ++loaded.report.databases;
    loaded.report.databases_cached += info.prefilter->from_cache();
  }
  loaded.report.compile_seconds = seconds_since(compile_start);
  loaded.report.load_seconds = seconds_since(start);
  return loaded;
}

}  // namespace gatetape
