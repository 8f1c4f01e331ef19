// The options of `capture`, read and checked as far as that can be done without opening anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capture/packet_filter.h"
#include "cli/evidence_options.h"
#include "cli/rights.h"
#include "cli/run_options.h"

namespace gatetape {

struct CaptureOptions {
  std::vector<std::string> sources, stores;
  FilterOptions filter;
  std::string hostile_file;
  std::vector<uint64_t> ring_sizes;  // empty, one for all directories, or one for each
  unsigned workers = 1;
  int compression_level = 1;
  std::optional<uint64_t> anchor_seed;
  bool verbose = false;
  bool check_only = false;
  bool follow = false;
  RightsOptions rights;
  RunOptions run;
  EvidenceCommandOptions evidence;

  void add_to(CommandLine& line);
  // Compares the options with each other.
  Result<void> check(const CommandLine& line) const;
  // Empty: nothing is stored. `evidence` is left out.
  std::optional<StoreOptions> store_options() const;
  // The rights, with all that will be written.
  RightsOptions all_rights() const;
};

}  // namespace gatetape
