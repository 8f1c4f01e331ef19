// gatetape capture, the sensor.
#include <algorithm>

#include "cli/commands.h"
#include "cli/evidence_options.h"
#include "cli/interrupt.h"
#include "cli/rights.h"
#include "cli/run_options.h"
#include "common/time_text.h"

namespace gatetape {
namespace {

constexpr CommandText kText = {
    .command = "capture",
    .usage = "--source SRC [--store DIR] [options]",
    .summary =
        "Records the traffic of a mirror port: filters by ingress address, reassembles TCP and HTTP, matches rules,\n"
        "and stores every packet. Ends when its source ends, or on SIGINT (Ctrl-C) or SIGTERM without loss.\n"
        "SIGHUP opens the EVE file anew, after it was renamed.\n"
        "\n"
        "SRC is  pcap:PATH   a pcap or pcapng file, a directory of them, or - for standard input\n"
        "        if:NAME     a Linux interface, through DPDK; shows what tcpdump shows; needs CAP_NET_RAW\n"
        "        dpdk:ARGS   a PCI address or any DPDK vdev; needs root",
    .examples =
        "  gatetape capture --source if:eth1 --ingress 203.0.113.10 --store /var/lib/gatetape --rules et.rules\n"
        "  gatetape capture --source pcap:day.pcap --store /tmp/store --eve -\n"
        "  tcpdump -i eth1 -w - | gatetape capture --source pcap:- --eve eve.json\n",
};

struct CaptureOptions {
  std::vector<std::string> sources, stores, ingress;
  std::string hostile, filter;
  std::optional<std::string> ring_size;
  unsigned workers = 1;
  int compression_level = 1;
  std::optional<uint64_t> anchor_seed;
  bool verbose = false;
  RightsOptions rights;
  RunOptions run;
  EvidenceCommandOptions evidence;

  void add_to(CommandLine& line) {
    auto add = line.options().add_options();
    add("source", po::value(&sources)->composing()->value_name("SRC"), "where packets come from; may be given again");
    add("store", po::value(&stores)->composing()->value_name("DIR[,DIR...]"),
        "directory for packets and records (made if missing); without it nothing is stored");
    add("ingress", po::value(&ingress)->composing()->value_name("ADDR|CIDR[,...]"),
        "record only packets to or from these addresses");
    add("hostile", po::value(&hostile)->value_name("FILE"),
        "record only packets from or to the networks in FILE, one per line; with --ingress: only traffic between "
        "these networks and the ingress");
    add("filter", po::value(&filter)->value_name("BPF"), "record only packets that this tcpdump expression selects");
    add("workers", po::value(&workers)->value_name("N")->default_value(1), "worker threads, one per core");
    add("ring-size",
        po::value<std::string>()->value_name("SIZE[,SIZE...]")->notifier([this](auto& size) { ring_size = size; }),
        "most space that the store may take before the oldest packets are overwritten, e.g. 500G; or one for each "
        "directory (default: on each file system four fifths of the free space)");
    add("compression", po::value(&compression_level)->value_name("LEVEL")->default_value(1), "zstd's level, 1 to 19");
    add("anchor-seed", po::value<uint64_t>()->value_name("N")->notifier([this](uint64_t n) { anchor_seed = n; }),
        "for benchmarks: fix where the store looks for repeats, so that runs over the same packets can be compared "
        "(random by default, so that no traffic can be made to evade it)");
    add("group", po::value(&rights.group)->value_name("NAME"),
        "who may read what is written, beside the user: files get 0640, directories 0750 (default: 0600, 0700)");
    add("user", po::value(&rights.user)->value_name("NAME"),
        "become this user, without any capability, once the ports are open");
    add("verbose", po::bool_switch(&verbose), "print DPDK's own messages");
    evidence.add_to(line);
    run.add_to(line);
  }
};

Result<FilterOptions> filter_options(const CaptureOptions& options) {
  FilterOptions filter;
  filter.bpf = options.filter;
  for (const std::string& list : options.ingress) {
    Result<std::vector<IpPrefix>> prefixes = parse_prefix_list(list);
    if (!prefixes) return fail("--ingress: {}", prefixes.error().message);
    filter.ingress.insert(filter.ingress.end(), prefixes->begin(), prefixes->end());
  }
  if (!options.hostile.empty()) {
    Result<std::vector<IpPrefix>> prefixes = read_prefix_file(options.hostile);
    if (!prefixes) return fail("--hostile: {}", prefixes.error().message);
    if (prefixes->empty()) return fail("--hostile: {} lists no network", options.hostile);
    filter.hostile = std::move(*prefixes);
  }
  return filter;
}

Result<std::optional<StoreOptions>> store_options(const CaptureOptions& options) {
  const std::vector<std::string> directories = split_list(options.stores);
  if (directories.empty()) return std::nullopt;
  StoreOptions store;
  store.group_may_ask = !options.rights.group.empty();
  store.directories = directories;
  store.compression_level = options.compression_level;
  store.anchor_seed = options.anchor_seed;
  if (!options.ring_size) return store;
  std::vector<uint64_t> sizes;
  for (const std::string& word : split_list({*options.ring_size})) {
    Result<uint64_t> size = parse_size(word);
    if (!size) return fail("--ring-size: {}", size.error().message);
    sizes.push_back(*size);
  }
  if (sizes.empty()) return fail("--ring-size: a size is missing");
  if (sizes.size() > 1 && sizes.size() != directories.size()) {
    return fail("--ring-size {}: {} sizes for {} directories", *options.ring_size, sizes.size(), directories.size());
  }
  if (*std::ranges::min_element(sizes) < StoreOptions::kRingBytesMin * (sizes.size() == 1 ? options.workers : 1)) {
    return fail("--ring-size {}: expected at least {} for each worker", *options.ring_size,
                format_size(StoreOptions::kRingBytesMin));
  }
  if (sizes.size() == 1) {
    store.ring_bytes_max = sizes.front();
  } else {
    store.directory_bytes_max = std::move(sizes);
  }
  return store;
}

}  // namespace

int command_capture(int argc, char** argv) {
  CommandLine line(kText);
  CaptureOptions options;
  options.add_to(line);
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  if (options.sources.empty()) return line.usage_error("--source is missing: what should be captured?");
  constexpr unsigned kWorkersMax = 64;
  if (options.workers < 1 || options.workers > kWorkersMax) {
    return line.usage_error(fmt::format("--workers {}: expected 1 to {}", options.workers, kWorkersMax));
  }
  if (options.compression_level < 1 || options.compression_level > 19) {
    return line.usage_error(fmt::format("--compression {}: expected 1 to 19", options.compression_level));
  }
  if (options.ring_size && options.stores.empty()) {
    return line.usage_error("--ring-size limits a store, but there is no --store");
  }
  Result<FilterOptions> filter = filter_options(options);
  if (!filter) return line.usage_error(filter.error().message);
  Result<std::optional<StoreOptions>> store = store_options(options);
  if (!store) return line.usage_error(store.error().message);

  RightsOptions rights = options.rights;
  if (*store) rights.directories = (*store)->directories;
  for (const std::string& file : {options.run.eve, options.run.summary}) {
    if (!file.empty() && file != "-") rights.files.push_back(file);
  }
  for (const std::string& file : options.evidence.files()) rights.files.push_back(file);
  if (Result<void> restricted = restrict_rights(rights); !restricted) return line.failed(restricted.error());

  CheckpointOutlets checkpoints;  // outlives the store, which hands them out
  Result<PreparedRun> run = prepare_run(options.run, false);
  if (!run) return line.failed(run.error());
  run->session.sources = options.sources;
  run->session.user = user_name();
  run->session.workers = options.workers;
  run->session.verbose = options.verbose;
  run->session.filter = std::move(*filter);
  if (*store) {
    Result<EvidenceOptions> evidence = options.evidence.prepare((*store)->directories);
    if (!evidence) return line.failed(evidence.error());
    if (Result<void> started = checkpoints.start(options.evidence.checkpoint_to, interrupt_flag()); !started) {
      return line.failed(started.error());
    }
    evidence->hand_out = [&checkpoints](const std::string& note) { checkpoints.hand_out(note); };
    (*store)->evidence = std::move(*evidence);
  }
  run->session.store = std::move(*store);
  run->session.ports_opened = [&rights] { return drop_privileges(rights); };
  const int exit_code = run_and_report(line, options.run, *run);
  checkpoints.end();
  return exit_code;
}

}  // namespace gatetape
