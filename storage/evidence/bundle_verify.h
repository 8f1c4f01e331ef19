// Checks a bundle against a key, from its own files alone: that each packet in it lay in a segment whose root the
// sensor with this key signed, and that no file of it was changed since it was made.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/evidence/segment_verify.h"

namespace gatetape {

struct BundleReport {
  std::vector<Finding> findings;     // by file; of the packets only the first
  uint64_t packets = 0, proven = 0;  // in the capture file; of them with a proof
  uint64_t captured_bytes = 0;
  std::vector<std::string> unproven;  // why the others have none
  std::string origin;                 // the store's
  uint64_t leaves = 0;                // under the checkpoint
  int64_t signed_ns = 0;              // when it was signed
  bool manifest_signed = false;       // so that the statement and the records, too, are the sensor's word

  bool sound() const { return findings.empty(); }
};

// `fingerprint`: of the key that is trusted. Fails when it cannot be told: the directory or a file cannot be read, or
// it was stopped.
Result<BundleReport> verify_bundle(FileSystem& files, const std::string& directory, const std::string& fingerprint,
                                   const std::atomic<bool>* stop = nullptr);

}  // namespace gatetape
