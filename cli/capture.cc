// gatetape capture, the sensor.
#include "cli/capture_options.h"
#include "cli/commands.h"
#include "cli/interrupt.h"

namespace gatetape {
namespace {

class CaptureCommand : public Command {
 public:
  CommandText text() const override {
    return {
        .command = "capture",
        .usage = "--source SRC [--store DIR] [options]",
        .summary =
            "Records the traffic of a mirror port: filters by ingress address, reassembles TCP and HTTP, matches "
            "rules, and stores every packet. Ends when its source ends, or on SIGINT (Ctrl-C) or SIGTERM without loss. "
            "SIGHUP opens the files that it writes anew, after they were renamed. Each worker fills one directory of "
            "the store at a time: several directories serve several workers.\n\n"
            "SRC is one of\n"
            "  pcap:PATH   a pcap or pcapng file, a directory of them, or - for standard\n"
            "              input\n"
            "  if:NAME     a Linux interface, through DPDK; shows what tcpdump shows; needs\n"
            "              CAP_NET_RAW\n"
            "  dpdk:ARGS   a PCI address or any DPDK vdev; needs root",
        .examples =
            "  gatetape capture --source if:eth1 --ingress 203.0.113.10 --store /var/lib/gatetape --rules et.rules\n"
            "  gatetape capture --source pcap:day.pcap --store /tmp/store --eve -\n"
            "  tcpdump -i eth1 -w - | gatetape capture --source pcap:- --eve eve.json\n"};
  }

  void add_options(CommandLine& line) override { options_.add_to(line); }

  int run(const CommandLine& line) override {
    if (const Result<void> checked = options_.check(line); !checked) return line.usage_error(checked.error().message);
    const RightsOptions rights = options_.all_rights();
    if (const Result<void> restricted = restrict_rights(rights); !restricted) return line.failed(restricted.error());
    CheckpointOutlets checkpoints;  // outlives the store, which hands them out
    Result<PreparedRun> run = prepare_run(options_.run, false);
    if (!run) return line.failed(run.error());
    run->session.sources = options_.sources;
    run->session.user = user_name();
    run->session.workers = options_.workers;
    run->session.verbose = options_.verbose;
    run->session.filter = options_.filter;
    run->session.store = options_.store_options();
    if (run->session.store) {
      if (const Result<void> ready = prepare_evidence(*run->session.store, checkpoints); !ready) {
        return line.failed(ready.error());
      }
    }
    run->session.ports_opened = [&rights] { return drop_privileges(rights); };
    const int exit_code = run_and_report(line, options_.run, *run);
    checkpoints.end();
    return exit_code;
  }

 private:
  Result<void> prepare_evidence(StoreOptions& store, CheckpointOutlets& checkpoints) {
    Result<EvidenceOptions> evidence = options_.evidence.prepare();
    if (!evidence) return pass_on(evidence);
    Result<void> started = checkpoints.start(options_.evidence.checkpoint_to, interrupt_flag(), hangup_count());
    if (!started) return started;
    evidence->hand_out = [&checkpoints](const std::string& note) { checkpoints.hand_out(note); };
    store.evidence = std::move(*evidence);
    return {};
  }

  CaptureOptions options_;
};

}  // namespace

std::unique_ptr<Command> command_capture() {
  return std::make_unique<CaptureCommand>();
}

}  // namespace gatetape
