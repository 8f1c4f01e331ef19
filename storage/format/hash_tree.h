// The hashes that tie packets to frames, frames to segments, and segments to their stream (FORMAT.md, hash tree).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/format.h"
#include "storage/format/sha256.h"

namespace gatetape {

// A packet as its leaf has it: its interface is numbered in the run that captured it.
struct PacketLeaf {
  uint64_t ordinal = 0;
  int64_t timestamp_ns = 0;
  uint32_t wire_length = 0;
  LinkType link_type = LinkType::kEthernet;
  uint16_t interface_id = 0;
  uint16_t head_length = 0;
  std::span<const uint8_t> bytes;  // captured; the head first
};
// The leaf of one packet alone. Precondition: the head is no longer than the packet.
Sha256Digest packet_leaf(const PacketLeaf& packet);

// The root of a frame with that tree over its packets.
struct FrameSeal {
  uint32_t number = 0;
  uint64_t account_added = 0, account_dropped = 0;
  Sha256Digest lanes{};  // H(lanes section, raw)
  uint32_t leaves = 0;
};
Sha256Digest frame_root(const Uuid& segment, const FrameSeal& frame, const Sha256Digest& tree);
// The root of a segment with that tree over its frames. `header`: H(segment header).
Sha256Digest segment_root(const Sha256Digest& header, uint32_t frames, const Sha256Digest& tree);

// Computes roots; keeps its memory from use to use. One thread.
class HashTree {
 public:
  // MTH of RFC 6962 section 2.1 over leaves that are already hashed (with their 0x00 prefix); uses them up. Nothing
  // gives H() of the empty string, as there.
  Sha256Digest root(std::vector<Sha256Digest>& leaves);

  // Takes number and account from the header. `lanes`: the raw lanes section, empty for records. Uses the leaves up.
  Sha256Digest frame_root(const Uuid& uuid, const FrameHeader& header, std::span<const uint8_t> lanes,
                          std::vector<Sha256Digest>& leaves);
  // `header`: the segment's, as it stands in the file.
  Sha256Digest segment_root(std::span<const uint8_t> header, std::vector<Sha256Digest> frame_roots);

 private:
  struct Node {
    uint8_t prefix_and_children[1 + 2 * sizeof(Sha256Digest)];
  };
  std::vector<Node> nodes_;
  std::vector<Sha256Job> jobs_;
};

}  // namespace gatetape
