// The options of `capture` that concern evidence: the key, and where checkpoints go.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "storage/evidence/notary.h"

namespace gatetape {

struct EvidenceCommandOptions {
  std::string key_path;  // empty: SigningKey::default_path()
  unsigned checkpoint_interval_s = EvidenceOptions().checkpoint_interval_s;

  void add_to(CommandLine& line);
  // Loads the key, or makes it, and prints its fingerprint. Without --signing-key a key that cannot be had is a
  // warning, and nothing is signed. Fails when the key lies in one of the store's directories.
  Result<EvidenceOptions> prepare(const std::vector<std::string>& store_directories) const;
};

// The facts of a run that the ledger keeps: build, host, operator.
LedgerFacts run_facts();

}  // namespace gatetape
