// Splits a frame's payload stream into what is new (literals) and what the segment has already seen (references into
// its literals). Keeps the literals of the segment in memory, up to a budget, and compares bytes with bytes: a hash
// only proposes. One per segment stream, on its worker's thread.
//
// Bounded: memory, lookups (one per anchor), and the work on any one match (forwards and backwards once).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/anchors.h"
#include "storage/byte_order.h"
#include "storage/lazy_memory.h"

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
  // `memory_bytes` covers literals and tables; below a few frames' worth, nothing is looked for.
  RepeatFinder(size_t memory_bytes, uint64_t seed);

  void start_segment();
  // The operations that make up `stream`, and its literals in one piece: valid until the next call.
  // `stream` is at most frame_bytes_max.
  std::span<const uint8_t> split(std::span<const uint8_t> stream, std::vector<PayloadOperation>& operations);
  // Position of the first literal of the frame split last.
  uint64_t literal_position() const { return frame_begin_; }

  static constexpr size_t kFrameBytesMax = 2 << 20;
  static constexpr size_t kMemoryBytesMin = 8 * kFrameBytesMax;

 private:
  struct Match {
    uint64_t position;
    uint32_t begin, end;  // in the stream
  };
  struct Cursor;

  void begin_frame(size_t stream_bytes);
  bool match_at(const Cursor& cursor, uint32_t anchor, uint64_t key, Match& match) const;
  void append_literals(Cursor& cursor, uint32_t until);
  uint64_t key_at(const uint8_t* at) const;
  uint64_t oldest_position() const;

  const uint8_t* at(uint64_t position) const { return memory_.data() + position % capacity_; }

  uint64_t seed_;
  AnchorFinder anchor_finder_;
  size_t capacity_;  // bytes of memory_; position p lies at p % capacity_
  LazyMemory<uint8_t> memory_;
  LazyMemory<uint64_t> table_;  // tag in the high 24 bits, position + 1 in the low 40
  uint64_t table_mask_ = 0;
  uint64_t frame_begin_ = 0;              // first literal of the current frame
  uint64_t end_ = 0;                      // after the last literal
  uint64_t gap_begin_ = 0, gap_end_ = 0;  // positions skipped so that a frame's literals stay in one piece
  std::vector<uint32_t> anchors_;
  std::vector<uint64_t> keys_;
};

}  // namespace gatetape
