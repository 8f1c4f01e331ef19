// Copies of the bytes that arrived ahead of a hole in a stream, in order, within a budget.
//
// ReorderPool is a worker's memory for it: fixed-size chunks, allocated as needed up to a limit and then recycled.
// ReorderBuffer is one stream's, taken from the pool at the first hole and given back when it closes. Positions are
// 64-bit stream offsets: sequence numbers and their wraparound stay in tcp_stream. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gatetape {

// Which data counts where segments overlap that wait for delivery. What was delivered stays.
enum class OverlapPolicy : uint8_t {
  kFirst,  // the bytes that arrived first stay
  kLast,   // the bytes that arrived last replace them
};

class ReorderPool;

class ReorderBuffer {
 public:
  bool empty() const { return first_ == segments_.size(); }
  // Offset of the first byte held. Precondition: !empty().
  uint64_t first_offset() const { return segments_[first_].offset; }
  // One past the last byte held. Precondition: !empty().
  uint64_t end_offset() const { return segments_.back().offset + segments_.back().length; }
  uint64_t bytes_held() const;

  // Copies what is new of `bytes`. Where they overlap what is held, `policy` decides. False when the budget did not
  // allow all of it: a prefix may then have been taken, which does no harm. `overlapped` is set when any byte was here
  // before.
  bool insert(uint64_t offset, std::span<const uint8_t> bytes, OverlapPolicy policy, bool& overlapped);
  // Lets `bytes` replace what is held at their place, where `policy` says so. Adds nothing.
  bool overwrite(uint64_t offset, std::span<const uint8_t> bytes, OverlapPolicy policy);
  // The bytes held from first_offset() on, as one piece. Valid until pop(). Precondition: !empty().
  std::span<const uint8_t> front() const;
  void pop();
  // Drops or shortens what lies before `offset`.
  void discard_before(uint64_t offset);

 private:
  friend class ReorderPool;
  friend struct ReturnReorderBuffer;
  struct Chunk;
  struct Segment {
    uint64_t offset;
    uint32_t length;
    uint32_t skipped;  // bytes at the chunk's start that were discarded
    Chunk* chunk;
  };

  explicit ReorderBuffer(ReorderPool& pool) : pool_(pool) {}
  size_t lower_bound(uint64_t offset) const;
  size_t fill(size_t at, uint64_t offset, std::span<const uint8_t> bytes);
  void clear();

  ReorderPool& pool_;
  std::vector<Segment> segments_;  // by offset, disjoint; those before first_ are gone
  size_t first_ = 0;
};

// Gives a buffer back to the pool it came from.
struct ReturnReorderBuffer {
  void operator()(ReorderBuffer* buffer) const;
};
using ReorderBufferPointer = std::unique_ptr<ReorderBuffer, ReturnReorderBuffer>;

struct ReorderLimits {
  uint32_t stream_bytes_max = 1u << 20;   // in chunks, per direction of a connection
  uint64_t worker_bytes_max = 64u << 20;  // in chunks
};

class ReorderPool {
 public:
  static constexpr uint32_t kChunkBytes = 2048;

  explicit ReorderPool(const ReorderLimits& limits);
  ~ReorderPool();  // every buffer was given back
  ReorderPool(const ReorderPool&) = delete;
  ReorderPool& operator=(const ReorderPool&) = delete;

  ReorderBufferPointer take();
  uint64_t bytes_in_use() const { return chunks_in_use_ * kChunkBytes; }
  uint64_t buffers_in_use() const { return buffers_in_use_; }

 private:
  friend class ReorderBuffer;
  friend struct ReturnReorderBuffer;

  ReorderBuffer::Chunk* take_chunk();  // nullptr: over the limit
  void return_chunk(ReorderBuffer::Chunk* chunk);
  void return_buffer(ReorderBuffer* buffer);

  const ReorderLimits limits_;
  const size_t stream_segments_max_;
  const uint64_t chunks_max_;
  uint64_t chunks_in_use_ = 0;
  uint64_t buffers_in_use_ = 0;
  ReorderBuffer::Chunk* free_chunks_ = nullptr;
  std::vector<std::unique_ptr<ReorderBuffer>> free_buffers_;
};

}  // namespace gatetape
