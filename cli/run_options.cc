#include "cli/run_options.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "cli/broken_pipe.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "common/count_text.h"
#include "common/file.h"
#include "common/json_writer.h"
#include "common/log_style.h"
#include "common/progress.h"
#include "common/time_text.h"
#include "export/eve_file.h"
#include "packet/account_report.h"
#include "rules/engine/database_cache.h"

namespace gatetape {
namespace {

constexpr int64_t kFlowsMax = 1u << 26;  // they take 37 GB

void append_outlets(JsonWriter& json, const std::vector<OutletCounts>& outlets) {
  json.begin_array("outlets");
  for (const OutletCounts& outlet : outlets) {
    json.begin_object().field("outlet", outlet.name).field("lost", outlet.lost_total());
    json.begin_object("lost_by");
    for (size_t i = 0; i < outlet.lost.size(); ++i) {
      json.field(to_string(static_cast<OutletLoss>(i)), outlet.lost[i]);
    }
    json.end_object().field("written", outlet.written).field("offered", outlet.offered);
    json.field("troubles", outlet.troubles).field("path", outlet.path).end_object();
  }
  json.end_array();
}

std::string summary_json(const SessionSummary& s, const RuleLoadReport& report) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("packets", s.total[Counter::kReceived]).field("bytes", s.total[Counter::kReceivedBytes]);
  json.field("http", s.total[Counter::kHttpTransactions]).field("alerts", s.total[Counter::kAlerts]);
  json.field("flows", s.total[Counter::kFlowsCreated]);
  json.field("load_seconds", report.load_seconds).field("run_seconds", s.run_seconds);
  json.begin_object("rules");
  json.field("rules", report.rules).field("loaded", report.loaded);
  json.field("unsupported", report.unsupported).field("broken", report.broken).end_object();
  json.begin_object("account");
  json.begin_object("ports");
  append_account(json, s.ports);
  json.end_object();
  append_account(json, s.total);
  json.field("balances_with_ports", s.balances);
  json.begin_array("workers");
  for (const WorkerAccount& worker : s.workers) {
    json.begin_object();
    append_account(json, worker);
    json.end_object();
  }
  json.end_array().end_object();
  append_outlets(json, s.outlets);
  json.begin_array("blind_spots");
  for (const std::string& spot : s.blind_spots) json.value(spot);
  json.end_array().field("interrupted", s.interrupted).field("complete", s.complete()).end_object();
  out.push_back('\n');
  return out;
}

std::string account_text(const SessionSummary& s) {
  std::string out = fmt::format("account ({}):\n", s.balances ? "balances" : "DOES NOT BALANCE");
  append_balance_text(out, s.live ? &s.ports : nullptr, s.total);
  const uint64_t lost = s.total[Counter::kRecordsDropped];
  if (lost != 0)
    out += fmt::format("{} dropped: they came faster than they were written\n", counted(lost, "record", "records"));
  out += fmt::format("{} in {}, {:.2f} s\n", seen_text(s.total), format_size(s.total[Counter::kReceivedBytes]),
                     s.run_seconds);
  return out;
}

// A reader that takes nothing is waited for, but not long once the program was told to end.
Stop told_to_end_for_a_while() {
  static constexpr std::chrono::milliseconds kWhile{500};
  return [since = std::optional<std::chrono::steady_clock::time_point>()]() mutable {
    const auto now = std::chrono::steady_clock::now();
    if (interrupted() && !since) since = now;
    return since && now - *since >= kWhile;
  };
}

Result<void> write_summary(const std::string& path, const std::string& json) {
  const auto status = system_files().status(path);
  if (path == "-" || (status && status->kind == FileStatus::Kind::kOther)) {
    const Stop stop = told_to_end_for_a_while();
    auto stream = path == "-" ? open_standard_output(stop) : system_files().open_stream(path, stop);
    if (!stream) return pass_on(stream);
    return (*stream)->append({reinterpret_cast<const uint8_t*>(json.data()), json.size()});
  }
  std::ofstream file(path, std::ios::trunc);
  file << json;
  file.close();
  if (!file) return fail("{}: {}", path, std::strerror(errno));
  return {};
}

}  // namespace

void add_rule_variables_option(CommandLine& line, RuleVariables& variables) {
  const auto set = [&variables](const std::string& setting) { return set_rule_variable(variables, setting); };
  line.take_each("set", "K=V", set, "set a rule variable, e.g. vars.address-groups.HOME_NET=10.0.0.0/8",
                 Separator::kNone);
}

void add_rules_cache_option(CommandLine& line, std::string& directory) {
  directory = default_cache_directory();
  const auto off_is_empty = [&directory](const std::string& value) -> Result<void> {
    directory = value == "off" ? "" : value;
    return {};
  };
  line.take("rules-cache", "DIR|off", off_is_empty,
            fmt::format("directory that keeps compiled rules for the next start (default: {})", directory));
}

void RunOptions::add_to(CommandLine& line) {
  line.list("rules", "FILE", rules,
            "rules in Suricata's language; may be given again (without any, nothing is matched)");
  add_rule_variables_option(line, variables);
  line.flag("strict", strict, "refuse to start when a rule does not load");
  line.text("eve", "FILE|-", eve, "append EVE JSON records to FILE");
  line.choice("checksums", checksums, {"on", "off"},
              "on: packets with a wrong checksum are recorded but not inspected");
  add_rules_cache_option(line, rules_cache);
  line.number("flows-max", "N", flows_max, 1, kFlowsMax,
              "most connections tracked per worker; when full, the oldest is dropped (0.5 KiB each)");
  line.text("summary", "FILE|-", summary, "write the account and other figures as JSON at the end");
}

Result<PreparedRun> prepare_run(const RunOptions& options, bool eve_required) {
  ignore_write_signals();
  PreparedRun run;
  run.session.pipeline.flows_max = static_cast<uint32_t>(options.flows_max);
  run.session.pipeline.validate_checksums = options.checksums == "on";
  if (!options.rules.empty()) {
    std::optional<ProgressLine> progress(std::in_place, [] { return "compiling rules"; });
    Result<LoadedRules> loaded = load_rules({.files = options.rules,
                                             .variables = options.variables,
                                             .checksums = run.session.pipeline.validate_checksums,
                                             .cache_directory = options.rules_cache});
    progress.reset();
    if (!loaded) return pass_on(loaded);
    run.report = loaded->report;
    run.session.rules = loaded->rules;
    const uint64_t left_out = run.report.unsupported + run.report.broken;
    if (left_out > 0 && options.strict) {
      return fail("{} of {} did not load (--strict): see 'gatetape rules check'", format_count(left_out),
                  counted(run.report.rules, "rule", "rules"));
    }
    if (!run.report.cache_problem.empty()) log_warning("{}", run.report.cache_problem);
    log_info("{} loaded in {:.1f} s ({} of {} cached); {} unsupported, {} broken{}",
             counted(run.report.loaded, "rule", "rules"), run.report.load_seconds, run.report.databases_cached,
             counted(run.report.databases, "database", "databases"), format_count(run.report.unsupported),
             format_count(run.report.broken), left_out > 0 ? " ('gatetape rules check' says why)" : "");
  }
  if (!options.eve.empty()) {
    run.eve = std::make_unique<Outlet>("eve", std::make_unique<EveFile>(options.eve),
                                       OutletOptions{.required = eve_required});
    run.session.outlets.push_back(run.eve.get());
  }
  run.session.reopen_count = &hangup_count();
  run.session.progress = isatty(STDERR_FILENO) != 0;
  return run;
}

int run_and_report(const CommandLine& line, const RunOptions& options, PreparedRun& run) {
  catch_interrupts();
  Result<SessionSummary> summary = run_session(run.session, interrupt_flag());
  if (!summary) return line.failed(summary.error());
  if (!summary->outcome && summary->outcome.error().code == EPIPE) end_by_broken_pipe();
  log_lines(LogLevel::kInfo, account_text(*summary));
  for (const std::string& spot : summary->blind_spots) log_warning("{}", spot);
  if (!options.summary.empty()) {
    Result<void> written = write_summary(options.summary, summary_json(*summary, run.report));
    if (!written) return line.failed(written.error());
  }
  if (!summary->outcome) return line.failed(summary->outcome.error());
  if (summary->interrupted) return line.failed(Error{"interrupted: the rest of the source was not read"});
  return kExitDone;
}

}  // namespace gatetape
