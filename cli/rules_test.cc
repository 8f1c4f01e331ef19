// gatetape rules test runs pcap files through rules.
#include "cli/commands.h"
#include "cli/run_options.h"

namespace gatetape {
namespace {

constexpr CommandText kText = {
    .command = "rules test",
    .usage = "[--rules FILE]... [options] PCAP...",
    .summary =
        "Runs pcap files through rules, in the same pipeline as a capture, but stores nothing. Writes alerts,\n"
        "HTTP transactions and flows as EVE JSON (to standard output unless --eve names a file).",
    .examples =
        "  gatetape rules test --rules new.rules incident.pcap | jq 'select(.event_type==\"alert\")'\n"
        "  gatetape rules test --rules a.rules --rules b.rules --checksums off --eve eve.json day/\n",
};

}  // namespace

int command_rules_test(int argc, char** argv) {
  CommandLine line(kText);
  RunOptions options;
  bool midstream = false;
  options.add_to(line);
  line.options().add_options()("midstream", po::bool_switch(&midstream),
                               "follow connections whose handshake is not in the files");
  line.positional("pcap");
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  const std::vector<std::string> files = line.words("pcap");
  if (files.empty()) return line.usage_error("no pcap file given");
  if (options.eve.empty() && options.summary != "-") options.eve = "-";

  Result<PreparedRun> run = prepare_run(options, true);
  if (!run) return line.failed(run.error());
  for (const std::string& file : files) run->session.sources.push_back("pcap:" + file);
  run->session.pipeline.midstream = midstream;
  return run_and_report(line, options, *run);
}

}  // namespace gatetape
