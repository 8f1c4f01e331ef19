// A bundle's proofs: the path from each of its packets to the checkpoint that was signed over it (storage/FORMAT.md,
// bundle). Pure functions over bytes; what parses trusts no length.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/evidence/ledger_entry.h"
#include "storage/evidence/signed_note.h"
#include "storage/format/hash_tree.h"

namespace gatetape {

// The files of a bundle; the manifest has the hashes of the others.
inline constexpr char kBundleManifest[] = "manifest", kBundlePackets[] = "packets.pcapng",
                      kBundleRecords[] = "records.jsonl", kBundleStatement[] = "statement.json",
                      kBundleProofs[] = "proofs", kBundleCheckpoint[] = "checkpoint", kBundleKey[] = "key.pem";
// In the order of the manifest.
inline constexpr const char* kBundleFiles[] = {kBundleCheckpoint, kBundleKey,     kBundlePackets,
                                               kBundleProofs,     kBundleRecords, kBundleStatement};

struct BundleProofs {
  // A frame of which some packets are in the bundle.
  struct Frame {
    FrameSeal seal;
    std::vector<Sha256Digest> proof;  // leads from their leaves to the tree's root
  };
  struct Segment {
    LedgerEntryHeader entry;          // the ledger's entry of type 1 about it: a leaf
    SegmentSealed sealed;             // its content
    std::vector<uint8_t> header;      // as it stands in the file
    std::vector<Frame> frames;        // rising
    std::vector<Sha256Digest> proof;  // leads from their roots to the segment's
    Sha256Digest leaf() const;
  };
  struct Packet {
    static constexpr uint32_t kUnproven = ~uint32_t{0};
    uint32_t segment = 0;       // its place in `segments`; kUnproven
    uint32_t frame = 0;         // the frame's number; unproven: the place of its reason in `reasons`
    uint32_t row = 0;           // its number in the frame
    uint16_t interface_id = 0;  // in its run
    uint16_t head_length = 0;
    uint64_t ordinal = 0;
    Sha256Digest leaf{};
  };

  std::vector<Segment> segments;     // rising by the ledger's number
  std::vector<Sha256Digest> proof;   // leads from their leaves to the checkpoint
  std::vector<std::string> reasons;  // why packets have no proof
  std::vector<Packet> packets;       // in the order of the capture file

  uint64_t proven() const;
  std::vector<uint8_t> serialise() const;
  // `packets_max`: more than that cannot be in the capture file.
  static Result<BundleProofs> parse(std::span<const uint8_t> bytes, uint64_t packets_max);
};

// A manifest: the hashes of the other files, and how many packets there are.
struct BundleManifest {
  std::string origin;  // the checkpoint's
  uint64_t packets = 0, proven = 0;
  std::vector<Sha256Digest> hashes;  // by kBundleFiles

  // The text that is signed; ends with a newline. Its lines are those of sha256sum, and comments.
  std::string text() const;
};

}  // namespace gatetape
