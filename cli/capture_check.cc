#include "cli/capture_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "capture/sources/network_interface.h"
#include "cli/query_options.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/time_text.h"
#include "rules/language/parser.h"

namespace gatetape {
namespace {

constexpr size_t kWidth = 32;  // a longer name shifts the rest of its line

class CaptureCheck {
 public:
  explicit CaptureCheck(const CaptureOptions& options) : options_(options) {}

  bool run() {
    check_sources();
    check_filters();
    check_rules();
    check_stores();
    check_outlets();
    fmt::print("Workers\n");
    say(counted(options_.workers, "thread", "threads"),
        fmt::format("{} each", counted(options_.run.flows_max, "connection", "connections")));
    return possible_;
  }

 private:
  static void say(const std::string& name, const std::string& what) {
    fmt::print("  {:<{}}  {}\n", name, kWidth, what);
  }
  void problem(const Error& error) {
    log_error("{}", error.message);
    possible_ = false;
  }

  void check_sources() {
    fmt::print("Sources\n");
    for (const std::string& spec : options_.sources) {
      const std::string place = spec.substr(spec.find(':') + 1);
      if (spec.starts_with("if:")) {
        check_interface(spec, place);
      } else if (spec.starts_with("dpdk:") || place == "-") {
        say(spec, "is opened when the capture starts");
      } else {
        check_file(spec, place);
      }
    }
  }

  void check_interface(const std::string& spec, const std::string& name) {
    const Result<NetworkInterface> interface = NetworkInterface::find(name);
    if (!interface) return problem(interface.error());
    say(spec, fmt::format("{}, MTU {}",
                          interface->has_link() ? "has a link"
                          : interface->up()     ? "no link"
                                                : "down",
                          interface->mtu()));
    if (!interface->up()) problem(Error{fmt::format("{}: down; bring it up with: ip link set {} up", spec, name)});
    if (!NetworkInterface::capture_allowed()) problem(Error{fmt::format("{}: {}", spec, kCaptureNotAllowed)});
  }

  void check_file(const std::string& spec, const std::string& path) {
    std::error_code error;
    const bool directory = std::filesystem::is_directory(path, error);
    if (::access(path.c_str(), R_OK) != 0) return problem(Error{fmt::format("{}: {}", spec, std::strerror(errno))});
    say(spec, directory ? "a directory" : format_size(std::filesystem::file_size(path, error)));
  }

  void check_filters() {
    const FilterOptions& filter = options_.filter;
    fmt::print("Filters\n");
    if (!filter.ingress.empty()) say("ingress", counted(filter.ingress.size(), "network", "networks"));
    if (!filter.hostile.empty()) {
      say("hostile",
          fmt::format("{} in {}", counted(filter.hostile.size(), "network", "networks"), options_.hostile_file));
    }
    if (!filter.bpf.empty()) say("expression", filter.bpf);
    if (describe(filter).empty()) say("none", "every packet is recorded");
  }

  // Parses only: compiling takes long, and fails for nothing else.
  void check_rules() {
    fmt::print("Rules\n");
    if (options_.run.rules.empty()) say("none", "nothing is matched");
    for (const std::string& file : options_.run.rules) {
      RuleLoadOptions load;
      load.files = {file};
      load.variables = options_.run.variables;
      const auto parsed = parse_rule_files(load);
      if (!parsed) {
        problem(parsed.error());
        continue;
      }
      const RuleLoadReport& report = parsed->report;
      say(file, fmt::format("{}, {} unsupported, {} broken", counted(report.rules, "rule", "rules"),
                            format_count(report.unsupported), format_count(report.broken)));
      if (options_.run.strict && report.unsupported + report.broken != 0) {
        problem(Error{fmt::format("{}: not every rule loads (strict): see 'gatetape rules check'", file)});
      }
    }
  }

  void check_stores() {
    fmt::print("Store\n");
    if (options_.stores.empty()) say("none", "nothing is stored");
    for (size_t i = 0; i < options_.stores.size(); ++i) check_directory(i);
    if (!options_.stores.empty()) check_history();
  }

  void check_directory(size_t i) {
    const std::string& directory = options_.stores[i];
    std::string there = directory;
    std::error_code error;
    while (!there.empty() && !std::filesystem::exists(there, error)) {
      there = std::filesystem::path(there).parent_path().string();
    }
    if (there.empty()) there = ".";
    if (::access(there.c_str(), W_OK | X_OK) != 0 && options_.rights.user.empty()) {
      problem(Error{fmt::format("{}: {}", there, std::strerror(errno))});
    }
    const auto space = system_files().free_space(there);
    if (!space) return problem(space.error());
    say(directory, fmt::format("{}{} free of {}", there == directory ? "" : "will be made; ", format_size(space->bytes),
                               format_size(space->size)));
    if (options_.ring_sizes.empty()) return;
    const uint64_t ring = options_.ring_sizes.size() == 1 ? options_.ring_sizes.front() : options_.ring_sizes[i];
    say("", fmt::format("ring of {}{}", format_size(ring),
                        options_.stores.size() > options_.ring_sizes.size() ? " over all" : ""));
    if (ring > space->size && options_.stores.size() == 1) {
      problem(Error{fmt::format("{}: a ring of {} is larger than the file system", directory, format_size(ring))});
    }
  }

  // The days that fit at the rate of what is stored.
  void check_history() {
    std::vector<std::string> present;
    for (const std::string& directory : options_.stores) {
      if (gatetape::check_stores({directory})) present.push_back(directory);
    }
    if (present.empty()) return say("history", "none yet");
    const auto reader = open_store(present);
    if (!reader) return problem(reader.error());
    const auto summary = (*reader)->summary();
    if (!summary) return problem(summary.error());
    if (summary->packets == 0) return say("history", "none yet");
    constexpr double kDay_ns = 86400e9;
    const double days = static_cast<double>(summary->newest_ns - summary->oldest_ns) / kDay_ns;
    say("history", fmt::format("{} since {}, {:.2f} days", counted(summary->packets, "packet", "packets"),
                               format_time(summary->oldest_ns), days));
    uint64_t ring = 0;
    for (const uint64_t size : options_.ring_sizes) ring += size;
    if (ring == 0 || days <= 0 || summary->stored_bytes == 0) return;
    const double per_day = static_cast<double>(summary->stored_bytes) / days;
    say("", fmt::format("the ring holds {:.1f} days at that rate ({} a day)", static_cast<double>(ring) / per_day,
                        format_size(static_cast<uint64_t>(per_day))));
  }

  void check_outlets() {
    fmt::print("Outlets\n");
    if (!options_.run.eve.empty()) say("eve", options_.run.eve);
    for (const std::string& place : options_.evidence.checkpoint_to) say("checkpoints", place);
    if (!options_.stores.empty()) {
      say("signing key", options_.evidence.key_file() +
                             (::access(options_.evidence.key_file().c_str(), F_OK) == 0 ? "" : " (will be made)"));
    }
  }

  const CaptureOptions& options_;
  bool possible_ = true;
};

}  // namespace

bool check_capture(const CaptureOptions& options) {
  return CaptureCheck(options).run();
}

}  // namespace gatetape
