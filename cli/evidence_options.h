// The options of `capture` that concern evidence: the key, and where checkpoints go.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "export/outlet.h"
#include "storage/evidence/notary.h"

namespace gatetape {

struct EvidenceCommandOptions {
  std::string key_path;  // empty: SigningKey::default_path()
  std::vector<std::string> checkpoint_to;
  unsigned checkpoint_interval_s = EvidenceOptions().checkpoint_interval_s;

  void add_to(CommandLine& line);
  std::string key_file() const;
  // Fails when the key would lie in one of the store's directories.
  Result<void> check(const std::vector<std::string>& store_directories) const;
  // Loads the key, or makes it, and prints its fingerprint. Without --signing-key a key that cannot be had is a
  // warning, and nothing is signed.
  Result<EvidenceOptions> prepare() const;
  // The places in checkpoint_to that are files.
  std::vector<std::string> files() const;
};

// Hands checkpoints out of the machine: an outlet for each place that --checkpoint-to names. A place that hangs or
// fails costs itself.
class CheckpointOutlets {
 public:
  // Fails when a place cannot be right.
  // Each change of `reopen_count` opens files anew.
  Result<void> start(const std::vector<std::string>& places, const std::atomic<bool>& stop,
                     const std::atomic<uint32_t>& reopen_count);
  // One thread at a time. Does not block.
  void hand_out(const std::string& note);
  // To be ended when no more will come. They live as long as this object.
  std::vector<Outlet*> outlets() const;

 private:
  struct Place {
    std::unique_ptr<Outlet> outlet;
    bool whole_notes;
  };
  std::vector<Place> places_;
};

// Returns the name of the user who runs this process.
std::string user_name();
// The facts of a run that the ledger keeps: build, host, operator.
LedgerFacts run_facts();

}  // namespace gatetape
