#include "cli/capture_options.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "capture/sources/source_spec.h"
#include "common/count_text.h"
#include "common/time_text.h"

namespace gatetape {
namespace {

constexpr unsigned kWorkersMax = 64;
constexpr int kLevelMax = 19;

// Returns the first that was named before, by whatever name; nullptr: there is none.
const std::string* named_twice(const std::vector<std::string>& directories) {
  std::set<std::filesystem::path> seen;
  for (const std::string& directory : directories) {
    std::error_code error;  // one that cannot be looked at is compared as it is written
    std::filesystem::path path = std::filesystem::weakly_canonical(std::filesystem::absolute(directory, error), error);
    if (!path.has_filename()) path = path.parent_path();
    if (!seen.insert(error ? std::filesystem::path(directory) : path).second) return &directory;
  }
  return nullptr;
}

void add_filters(CommandLine& line, CaptureOptions& options) {
  FilterOptions& filter = options.filter;
  const auto take_ingress = [&filter](const std::string& text) -> Result<void> {
    Result<std::vector<IpPrefix>> prefixes = parse_prefix_list(text);
    if (!prefixes) return pass_on(prefixes);
    filter.ingress.insert(filter.ingress.end(), prefixes->begin(), prefixes->end());
    return {};
  };
  line.take_each("ingress", "ADDR|CIDR[,...]", take_ingress, "record only packets to or from these addresses");
  const auto take_hostile = [&options](const std::string& path) -> Result<void> {
    Result<std::vector<IpPrefix>> prefixes = read_prefix_file(path);
    if (!prefixes) return pass_on(prefixes);
    if (prefixes->empty()) return fail("the file lists no network");
    options.hostile_file = path;
    options.filter.hostile = std::move(*prefixes);
    return {};
  };
  line.take("hostile", "FILE", take_hostile,
            "record only packets from or to the networks in FILE, one per line; with --ingress: only traffic between "
            "these networks and the ingress");
  const auto take_filter = [&filter](const std::string& text) -> Result<void> {
    filter.bpf = text;
    return check_packet_expression(text);
  };
  line.take("filter", "BPF", take_filter, "record only packets that this tcpdump expression selects");
}

void add_store(CommandLine& line, CaptureOptions& options) {
  line.list("store", "DIR[,DIR...]", options.stores,
            "directory for packets and records (made if missing); without it nothing is stored");
  const auto take_size = [&options](const std::string& text) -> Result<void> {
    Result<uint64_t> size = parse_size(text);
    if (!size) return pass_on(size);
    options.ring_sizes.push_back(*size);
    return {};
  };
  line.take_each("ring-size", "SIZE[,SIZE...]", take_size,
                 "most space that the store may take before the oldest packets are overwritten, e.g. 500G; or one for "
                 "each directory (default: on each file system four fifths of the free space)");
  line.number("compression", "LEVEL", options.compression_level, 1, kLevelMax, "zstd's level, 1 to 19");
  line.take_number("anchor-seed", "N", 0, UINT64_MAX,
                   "for benchmarks: fix where the store looks for repeats, so that runs over the same packets can be "
                   "compared (random by default, so that no traffic can be made to evade it)",
                   [&options](uint64_t n) { options.anchor_seed = n; });
}

void add_rights(CommandLine& line, RightsOptions& rights) {
  const auto take_name = [](std::string& name, Result<void> (*check)(const std::string&)) {
    return [&name, check](const std::string& text) {
      name = text;
      return check(text);
    };
  };
  line.take("group", "NAME", take_name(rights.group, check_group),
            "who may read what is written, beside the user: files get 0640, directories 0750 (default: 0600, 0700)");
  line.take("user", "NAME", take_name(rights.user, check_user),
            "become this user, without any capability, once the ports are open");
}

}  // namespace

void CaptureOptions::add_to(CommandLine& line) {
  const auto take_source = [this](const std::string& spec) -> Result<void> {
    sources.push_back(spec);
    return check_source_spec(spec);
  };
  line.take_each("source", "SRC", take_source, "where packets come from; may be given again", Separator::kNone);
  line.require("source", "what should be captured?");
  line.flag("follow", follow, "the source is a capture file that still grows: read on until SIGINT or SIGTERM");
  line.not_from_config("follow");
  add_filters(line, *this);
  line.number("workers", "N", workers, 1, kWorkersMax, "worker threads, one per core");
  add_store(line, *this);
  add_rights(line, rights);
  line.flag("check", check_only,
            "say what would run (sources, filters, rules, disks, days of history) and what would keep it from running, "
            "and end");
  line.not_from_config("check");
  line.flag("verbose", verbose, "print DPDK's own messages");
  evidence.add_to(line);
  run.add_to(line);
}

Result<void> CaptureOptions::check(const CommandLine& line) const {
  if (const std::string* twice = named_twice(stores)) return fail("{}: {} is named twice", line.where("store"), *twice);
  if (follow && (sources.size() != 1 || !sources.front().starts_with("pcap:"))) {
    return fail("--follow is for one source, a capture file: pcap:FILE");
  }
  if (!ring_sizes.empty() && stores.empty()) {
    return fail("{} limits a store, but there is no --store", line.where("ring-size"));
  }
  if (ring_sizes.size() > 1 && ring_sizes.size() != stores.size()) {
    return fail("{}: {} for {}", line.where("ring-size"), counted(ring_sizes.size(), "size", "sizes"),
                counted(stores.size(), "directory", "directories"));
  }
  const uint64_t least = StoreOptions::kRingBytesMin * (ring_sizes.size() == 1 ? workers : 1);
  if (!ring_sizes.empty() && *std::ranges::min_element(ring_sizes) < least) {
    return fail("{} {}: expected at least {} for each worker: a smaller ring keeps next to nothing",
                line.where("ring-size"), format_size(*std::ranges::min_element(ring_sizes)),
                format_size(StoreOptions::kRingBytesMin));
  }
  return stores.empty() ? Result<void>() : evidence.check(stores);
}

std::optional<StoreOptions> CaptureOptions::store_options() const {
  if (stores.empty()) return std::nullopt;
  StoreOptions store;
  store.group_may_ask = !rights.group.empty();
  store.directories = stores;
  store.compression_level = compression_level;
  store.anchor_seed = anchor_seed;
  if (ring_sizes.size() == 1) {
    store.ring_bytes_max = ring_sizes.front();
  } else {
    store.directory_bytes_max = ring_sizes;
  }
  return store;
}

RightsOptions CaptureOptions::all_rights() const {
  RightsOptions all = rights;
  all.directories = stores;
  for (const std::string& file : {run.eve, run.summary}) {
    if (!file.empty() && file != "-") all.files.push_back(file);
  }
  for (const std::string& file : evidence.files()) all.files.push_back(file);
  return all;
}

}  // namespace gatetape
