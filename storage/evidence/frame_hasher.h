// Computes a packet frame's root again, from the packets that were read out of it (storage/FORMAT.md, hash tree). A
// payload that is one piece of the segment's literals is hashed once, however often it is referred to. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/format/byte_order.h"
#include "storage/format/hash_tree.h"
#include "storage/read/frame_reader.h"

namespace gatetape {

// Passes literals on, and remembers which piece of them went where.
class RememberedLiterals : public LiteralSource {
 public:
  struct Piece {
    const uint8_t* to;
    size_t bytes;
    uint64_t position;
  };

  explicit RememberedLiterals(LiteralSource& source) : source_(source) {}
  bool read(uint64_t position, std::span<uint8_t> out) override {
    pieces_.push_back({out.data(), out.size(), position});
    return source_.read(position, out);
  }
  // The pieces of the frame that was read last; its payloads in the order of the lanes.
  std::span<const Piece> pieces() const { return pieces_; }
  void clear() { pieces_.clear(); }

 private:
  LiteralSource& source_;
  std::vector<Piece> pieces_;
};

class FrameHasher {
 public:
  FrameHasher();
  // Positions of literals have another meaning from here on.
  void begin_segment();
  // `reader` has read the frame, all payloads included, through `literals`. `lanes`: the raw lanes section.
  Sha256Digest frame_root(const Uuid& uuid, const FrameHeader& header, std::span<const uint8_t> lanes,
                          const FrameReader& reader, std::span<const RememberedLiterals::Piece> pieces);
  // The leaves of the frame whose root was computed last, in order of arrival.
  std::span<const Sha256Digest> leaves() const { return leaves_; }
  HashTree& tree() { return tree_; }

 private:
  struct Known {
    uint64_t position;
    uint32_t length;
    uint32_t segment;  // 0: nothing known
    Sha256Digest digest;
  };
  struct Wanted {
    size_t row;
    Known* remember;  // nullptr: the payload is put together of several pieces
    uint64_t position;
  };
  void hash_payloads(const FrameReader& reader, std::span<const RememberedLiterals::Piece> pieces);

  HashTree tree_;
  struct Free {
    void operator()(Known* known) const;
  };
  std::unique_ptr<Known[], Free> known_;  // by a hash of position and length; zeros, which cost no memory until used
  uint32_t segment_ = 0;
  std::vector<Sha256Digest> payload_digests_;  // by row
  std::vector<uint32_t> by_lane_, next_in_lane_;
  std::vector<Wanted> wanted_;
  std::vector<Sha256Job> jobs_;
  ByteSink messages_;
  std::vector<size_t> message_begins_;
  std::vector<Sha256Digest> leaves_, scratch_;
};

}  // namespace gatetape
