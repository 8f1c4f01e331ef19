// An extract as a bundle: a directory with the packets, the records of their connections, the statement, and the proofs
// that the packets are what the sensor recorded, for somebody who does not have the store (storage/FORMAT.md, bundle).
// One thread; memory grows with the packets, some 150 bytes each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "storage/evidence/bundle_prover.h"
#include "storage/query/extract.h"

namespace gatetape {

struct BundleRequest {
  std::string directory;            // is made; or exists, and is empty
  std::vector<std::string> stores;  // their directories
  TimeRange range;
  Origin origin;
  // Appends a record as a line of JSON.
  std::function<void(std::string& out, const Record& record)> append_record;
  // Is called when all is known but the statement, which is what it may add to.
  std::function<void(ExtractStatement& statement, const Sha256Digest& packets)> note;
  // Returns the key that signed the evidence's checkpoint, if the caller has it: the manifest is signed by it.
  std::function<Result<std::optional<SigningKey>>(const PacketEvidence& evidence)> find_key;
};

// As extract(). The manifest, without which nothing verifies, is written last, when all else is on the disk; when
// anything fails, or `stop` says so, no file is left.
Result<ExtractStatement> extract_bundle(StoreReader& reader, Expression& expression, const BundleRequest& request,
                                        const std::function<bool()>& stop);

}  // namespace gatetape
