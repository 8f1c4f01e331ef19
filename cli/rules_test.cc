// gatetape rules test runs pcap files through rules.
#include "cli/commands.h"
#include "cli/run_options.h"

namespace gatetape {
namespace {

class RulesTestCommand : public Command {
 public:
  CommandText text() const override {
    return {.command = "rules test",
            .usage = "[--rules FILE]... [options] PCAP...",
            .summary =
                "Runs pcap files through rules, in the same pipeline as a capture, but stores nothing. Writes "
                "alerts, HTTP transactions and flows as EVE JSON (to standard output unless --eve names a "
                "file).",
            .examples =
                "  gatetape rules test --rules new.rules incident.pcap | jq 'select(.event_type==\"alert\")'\n"
                "  gatetape rules test --rules a.rules --rules b.rules --checksums off --eve eve.json day/\n"};
  }

  void add_options(CommandLine& line) override {
    options_.add_to(line);
    // The sensor's own files are not for tests.
    line.not_from_config("eve");
    line.not_from_config("summary");
    line.flag("midstream", midstream_, "follow connections whose handshake is not in the files");
    line.positional(files_);
  }

  int run(const CommandLine& line) override {
    if (files_.empty()) return line.usage_error("no pcap file given");
    if (options_.eve.empty() && options_.summary != "-") options_.eve = "-";
    Result<PreparedRun> run = prepare_run(options_, true);
    if (!run) return line.failed(run.error());
    for (const std::string& file : files_) run->session.sources.push_back("pcap:" + file);
    run->session.pipeline.midstream = midstream_;
    return run_and_report(line, options_, *run);
  }

 private:
  RunOptions options_;
  std::vector<std::string> files_;
  bool midstream_ = false;
};

}  // namespace

std::unique_ptr<Command> command_rules_test() {
  return std::make_unique<RulesTestCommand>();
}

}  // namespace gatetape
