// Splits a frame's payload stream into what is new (literals) and what the segment has already seen (references into
// its literals). Keeps the literals of the segment in memory, up to a budget, and compares bytes with bytes: a hash
// only proposes. One per segment stream, on its worker's thread.
//
// Bounded: memory, lookups (one per anchor), and the work on any one match (forwards and backwards once).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/byte_order.h"
#include "storage/write/anchors.h"
#include "storage/write/lazy_memory.h"

namespace gatetape {

struct PayloadOperation {
  uint32_t literal_bytes;    // new bytes, then
  uint32_t reference_bytes;  // repeated bytes (0 in the last operation)
  uint64_t position;         // whose literals begin at this position of the segment
};

// FORMAT.md, payload operations.
void encode_operations(std::span<const PayloadOperation> operations, ByteSink& out);

class RepeatFinder {
 public:
  // `memory_bytes` covers literals and tables; below kMemoryBytesMin, nothing is looked for.
  RepeatFinder(size_t memory_bytes, uint64_t seed);

  void start_segment();
  // Where the caller writes the next frame's payload stream, of at most kFrameBytesMax: where its literals will lie, so
  // that what is new stays in place.
  std::span<uint8_t> begin_frame(size_t stream_bytes);
  // The operations that make up the stream, and its literals in one piece, valid until the next begin_frame(). The
  // stream itself is gone. Repeats are looked for in its first `searched_bytes`; the rest is literals.
  std::span<const uint8_t> split(uint32_t searched_bytes, std::vector<PayloadOperation>& operations);
  // Position of the first literal of the frame.
  uint64_t literal_position() const { return frame_begin_; }

  static constexpr size_t kFrameBytesMax = 2 << 20;
  static constexpr size_t kMemoryBytesMin = 8 * kFrameBytesMax;

 private:
  struct Anchor {
    uint32_t at;  // in the stream
    uint64_t key;
  };
  struct Match {
    uint64_t position;
    uint32_t begin, end;  // in the stream
  };
  // The state of one split().
  struct Cursor {
    uint32_t pending = 0;   // the stream from here on is in no operation yet ...
    uint32_t literals = 0;  // ... but this many literals before it have been appended since the last reference
  };

  bool match_at(const Cursor& cursor, const Anchor& anchor, Match& match) const;
  void append_literals(Cursor& cursor, uint32_t until);
  void remember(const Anchor& anchor, const Cursor& cursor);
  uint32_t split_chunk(Cursor& cursor, uint32_t begin, uint32_t end, std::vector<PayloadOperation>& operations);
  uint64_t oldest_position() const;

  uint8_t* at(uint64_t position) const {
    return memory_.data() + (capacity_ == 0 ? position - frame_begin_ : position % capacity_);
  }

  uint64_t seed_;
  AnchorFinder anchor_finder_;
  size_t capacity_;  // bytes of memory_; position p lies at p % capacity_. 0: nothing is looked for
  LazyMemory<uint8_t> memory_;
  LazyMemory<uint64_t> table_;  // tag in the high 24 bits, position + 1 in the low 40
  uint64_t table_mask_ = 0;
  uint64_t frame_begin_ = 0;              // first literal of the current frame
  uint64_t end_ = 0;                      // after the last literal
  uint64_t gap_begin_ = 0, gap_end_ = 0;  // positions skipped so that a frame's literals stay in one piece
  std::span<uint8_t> stream_;
  std::vector<uint32_t> places_;
  std::vector<Anchor> anchors_;  // in the current chunk
  std::vector<Anchor> waiting_;  // in literals not yet appended
};

}  // namespace gatetape
