// gatetape capture, the sensor.
#include <optional>

#include "cli/capture_check.h"
#include "cli/capture_options.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/service.h"
#include "cli/syscall_filter.h"
#include "common/log_style.h"
#include "common/progress.h"
#include "storage/query/retention.h"

namespace gatetape {
namespace {

// Once the ports are open. A kernel without filters of system calls is no reason not to record.
Result<void> give_up_rights(const RightsOptions& rights) {
  if (Result<void> dropped = drop_privileges(rights); !dropped) return dropped;
  if (const Result<void> forbidden = forbid_system_calls(); !forbidden) log_warning("{}", forbidden.error().message);
  return {};
}

class CaptureCommand : public Command {
 public:
  CommandText text() const override {
    return {
        .command = "capture",
        .usage = "--source SRC [--store DIR] [options]",
        .summary =
            "Records the traffic of a mirror port: filters by ingress address, reassembles TCP and HTTP, matches "
            "rules, and stores every packet. Ends when its source ends, or on SIGINT (Ctrl-C) or SIGTERM without loss. "
            "SIGHUP opens the files that it writes anew, after they were renamed; SIGUSR2 reads --config and --hostile "
            "again and uses the hostile networks that they give now. Each worker fills one directory of "
            "the store at a time: several directories serve several workers.\n\n"
            "SRC is one of\n"
            "  pcap:PATH   a pcap or pcapng file, also .gz, .zst or .lz4; a directory of\n"
            "              them, read in the order of their packets' times; or - for\n"
            "              standard input\n"
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
    if (options_.check_only) return check_capture(options_) ? kExitDone : kExitFailed;
    set_log_style(service_log_style());
    Service service(catch_reloads(), [this, &line] { return reread_hostile(line); });
    const RightsOptions rights = options_.all_rights();
    if (const Result<void> restricted = restrict_rights(rights); !restricted) return line.failed(restricted.error());
    CheckpointOutlets checkpoints;  // outlives the store, which hands them out
    Result<PreparedRun> run = prepare_run(options_.run, false);
    if (!run) return line.failed(run.error());
    run->session.sources = options_.sources;
    run->session.user = user_name();
    run->session.workers = options_.workers;
    run->session.verbose = options_.verbose;
    run->session.follow = options_.follow;
    run->session.filter = options_.filter;
    run->session.store = options_.store_options();
    run->session.observer = &service;
    if (run->session.store) {
      if (const Result<void> ready = prepare_evidence(*run->session.store, checkpoints); !ready) {
        return line.failed(ready.error());
      }
    }
    std::optional<ProgressLine> progress(std::in_place, [] { return "opening the source"; });
    run->session.ports_opened = [&] {
      progress.reset();  // with its thread, before rights are given up
      return give_up_rights(rights);
    };
    run->session.other_outlets = checkpoints.outlets();
    return run_and_report(line, options_.run, *run);
  }

 private:
  // Reads the configuration as at the start. All of it has to be right, though only the hostile networks change now.
  Result<std::vector<IpPrefix>> reread_hostile(const CommandLine& line) const {
    CommandLine again(text());
    CaptureOptions fresh;
    fresh.add_to(again);
    if (Result<void> read = again.read(line.arguments()); !read) return pass_on(read);
    if (Result<void> checked = fresh.check(again); !checked) return pass_on(checked);
    std::vector<std::string> later = line.changed_options(again);
    std::erase(later, "hostile");
    if (!later.empty()) {
      log_warning("changed, but only from the next start on: {}", joined(later, ", "));
    }
    return std::move(fresh.filter.hostile);
  }

  Result<void> prepare_evidence(StoreOptions& store, CheckpointOutlets& checkpoints) {
    Result<EvidenceOptions> evidence = options_.evidence.prepare();
    if (!evidence) return pass_on(evidence);
    Result<void> started = checkpoints.start(options_.evidence.checkpoint_to, interrupt_flag(), hangup_count());
    if (!started) return started;
    evidence->hand_out = [&checkpoints](const std::string& note) { checkpoints.hand_out(note); };
    uint64_t ring_bytes = 0;
    for (const uint64_t bytes : options_.ring_sizes) ring_bytes += bytes;
    if (ring_bytes != 0) evidence->run_facts.emplace_back(kRingBytesFact, std::to_string(ring_bytes));
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
