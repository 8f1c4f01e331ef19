// Finds the proofs of packets that were extracted: reads their frames once more, computes the leaves of all packets in
// them, and the ways up to the newest checkpoint of the store's ledger. Reads only; a capture may be running. One
// thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/evidence/bundle_proofs.h"
#include "storage/evidence/signing_key.h"

namespace gatetape {

// Where the packets of an extract lie, in their order. 12 bytes a packet.
class PacketSelection {
 public:
  struct Place {
    uint32_t segment;  // its place in segments()
    uint32_t frame, row;
  };
  void add(const PacketPlace& place);
  const std::vector<Uuid>& segments() const { return segments_; }
  const std::vector<Place>& places() const { return places_; }

 private:
  std::vector<Uuid> segments_;
  std::map<Uuid, uint32_t> numbers_;
  std::vector<Place> places_;
};

struct PacketEvidence {
  BundleProofs proofs;
  CheckpointText checkpoint;
  std::string note;                          // the checkpoint, signed
  Ed25519Key signer{};                       // by this key
  std::vector<KeyEndorsement> endorsements;  // that lead to it, oldest first
  std::string key_path;                      // where the last run said that the private key lies; may be empty

  // The file with the public key: PEM, then the endorsements.
  std::string key_file() const;
};

// `directories`: the store's; the ledger is in the first. Packets that cannot be proven are said to be, each with its
// reason. Fails when nothing can be proven, since the ledger cannot be read or holds no checkpoint, and when stopped.
Result<PacketEvidence> prove_packets(FileSystem& files, const std::vector<std::string>& directories,
                                     const PacketSelection& selection, const std::function<bool()>& stop);

}  // namespace gatetape
