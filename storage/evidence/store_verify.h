// Checks a whole store against a key: the ledger's signatures and tree, and every segment that it lists, from the bytes
// up. Reads only; a capture may be running meanwhile.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "storage/evidence/ledger_verify.h"

namespace gatetape {

struct VerifyOptions {
  std::vector<std::string> directories;  // the store's; the ledger is in the first
  std::string fingerprint;               // names the key that is trusted: 64 hex digits
  std::vector<SignedNote> outside;       // checkpoints that left the machine
  unsigned threads = 1;
  size_t literal_bytes = 512 << 20;  // memory for unpacked literals, over all threads
  const std::atomic<bool>* stop = nullptr;
  // Called about ten times a second by the calling thread: captured bytes checked, and those there are.
  std::function<void(uint64_t checked, uint64_t all)> progress;
};

struct VerifyReport {
  std::vector<Finding> findings;     // sorted by file; of each segment only the first
  std::vector<std::string> remarks;  // facts that are not wrong but should be known
  // Things that a run which was killed, or goes on, has not signed yet.
  std::vector<std::string> tail;
  uint64_t segments = 0, packets = 0, captured_bytes = 0;  // found sound
  uint64_t evicted = 0;                                    // gone, with a tombstone
  uint64_t extractions = 0;                                // noted in the ledger
  uint64_t pinned = 0;                                     // segments
  uint64_t requests = 0;                                   // that no recorder has taken in yet
  uint64_t leaves = 0, signed_leaves = 0;
  int64_t signed_ns = 0;

  bool sound() const { return findings.empty(); }
};

// Fails when it cannot be told: a directory or the ledger cannot be read, or it was stopped. A store without a ledger
// is a finding.
Result<VerifyReport> verify_store(FileSystem& files, const VerifyOptions& options);

}  // namespace gatetape
