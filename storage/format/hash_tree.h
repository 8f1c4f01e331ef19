// The hashes that tie packets to frames, frames to segments, and segments to their stream (FORMAT.md, hash tree).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/format.h"
#include "storage/format/sha256.h"

namespace gatetape {

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
