#include "reassembly/reorder_buffer.h"

#include <algorithm>
#include <cstring>

#include "common/check.h"

namespace gatetape {

struct ReorderBuffer::Chunk {
  Chunk* next_free;
  uint8_t bytes[ReorderPool::kChunkBytes];
};

uint64_t ReorderBuffer::bytes_held() const {
  uint64_t bytes = 0;
  for (size_t i = first_; i < segments_.size(); ++i) bytes += segments_[i].length;
  return bytes;
}

// The first segment that ends behind `offset`.
size_t ReorderBuffer::lower_bound(uint64_t offset) const {
  const auto found = std::upper_bound(segments_.begin() + first_, segments_.end(), offset,
                                      [](uint64_t o, const Segment& s) { return o < s.offset + s.length; });
  return static_cast<size_t>(found - segments_.begin());
}

bool ReorderBuffer::insert(uint64_t offset, std::span<const uint8_t> bytes, OverlapPolicy policy, bool& overlapped) {
  overlapped = overwrite(offset, bytes, policy);
  size_t at = lower_bound(offset);
  while (!bytes.empty()) {
    // The hole before segment `at`, as far as `bytes` reach into it; then past that segment.
    const uint64_t hole_end = at < segments_.size() ? std::max(segments_[at].offset, offset) : UINT64_MAX;
    const size_t length = static_cast<size_t>(std::min<uint64_t>(hole_end - offset, bytes.size()));
    const size_t filled_to = fill(at, offset, bytes.first(length));
    if (filled_to == SIZE_MAX) return false;
    at = filled_to;
    offset += length;
    bytes = bytes.subspan(length);
    if (bytes.empty()) break;
    const Segment& held = segments_[at++];
    const size_t covered = static_cast<size_t>(std::min<uint64_t>(held.offset + held.length - offset, bytes.size()));
    offset += covered;
    bytes = bytes.subspan(covered);
  }
  return true;
}

// Puts `bytes`, which overlap nothing, in front of segment `at`. Returns the place of that segment now; SIZE_MAX when
// the budget is used up.
size_t ReorderBuffer::fill(size_t at, uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    if (segments_.size() - first_ >= pool_.stream_segments_max_) return SIZE_MAX;
    Chunk* chunk = pool_.take_chunk();
    if (chunk == nullptr) return SIZE_MAX;
    const uint32_t length = static_cast<uint32_t>(std::min<size_t>(bytes.size(), ReorderPool::kChunkBytes));
    std::memcpy(chunk->bytes, bytes.data(), length);
    segments_.insert(segments_.begin() + static_cast<ptrdiff_t>(at), Segment{offset, length, 0, chunk});
    ++at;
    offset += length;
    bytes = bytes.subspan(length);
  }
  return at;
}

bool ReorderBuffer::overwrite(uint64_t offset, std::span<const uint8_t> bytes, OverlapPolicy policy) {
  const uint64_t end = offset + bytes.size();
  bool overlapped = false;
  for (size_t i = lower_bound(offset); i < segments_.size() && segments_[i].offset < end; ++i) {
    overlapped = true;
    if (policy == OverlapPolicy::kFirst) break;
    const Segment& held = segments_[i];
    const uint64_t from = std::max(offset, held.offset);
    const uint64_t to = std::min(end, held.offset + held.length);
    std::memcpy(held.chunk->bytes + held.skipped + (from - held.offset), bytes.data() + (from - offset), to - from);
  }
  return overlapped;
}

std::span<const uint8_t> ReorderBuffer::front() const {
  const Segment& segment = segments_[first_];
  return {segment.chunk->bytes + segment.skipped, segment.length};
}

void ReorderBuffer::pop() {
  pool_.return_chunk(segments_[first_].chunk);
  ++first_;
  // Most buffers drain from the front until they are empty: moving the rest each time would be quadratic.
  if (first_ * 2 > segments_.size()) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(first_));
    first_ = 0;
  }
}

void ReorderBuffer::discard_before(uint64_t offset) {
  while (!empty() && segments_[first_].offset + segments_[first_].length <= offset) pop();
  if (empty() || segments_[first_].offset >= offset) return;
  Segment& segment = segments_[first_];
  const uint32_t cut = static_cast<uint32_t>(offset - segment.offset);
  segment.offset += cut;
  segment.length -= cut;
  segment.skipped += cut;
}

void ReorderBuffer::clear() {
  while (!empty()) pop();
  segments_.clear();
  first_ = 0;
}

void ReturnReorderBuffer::operator()(ReorderBuffer* buffer) const {
  buffer->pool_.return_buffer(buffer);
}

ReorderPool::ReorderPool(const ReorderLimits& limits)
    : limits_(limits),
      stream_segments_max_(std::max<size_t>(limits.stream_bytes_max / kChunkBytes, 1)),
      chunks_max_(std::max<uint64_t>(limits.worker_bytes_max / kChunkBytes, 1)) {}

ReorderPool::~ReorderPool() {
  GT_CHECK(buffers_in_use_ == 0 && chunks_in_use_ == 0);
  while (free_chunks_ != nullptr) {
    ReorderBuffer::Chunk* chunk = free_chunks_;
    free_chunks_ = chunk->next_free;
    delete chunk;
  }
}

ReorderBufferPointer ReorderPool::take() {
  ++buffers_in_use_;
  if (free_buffers_.empty()) return ReorderBufferPointer(new ReorderBuffer(*this));
  ReorderBuffer* buffer = free_buffers_.back().release();
  free_buffers_.pop_back();
  return ReorderBufferPointer(buffer);
}

void ReorderPool::return_buffer(ReorderBuffer* buffer) {
  buffer->clear();
  --buffers_in_use_;
  // Every buffer in use holds a chunk, but for those that found none: chunks_max_ bounds what is worth keeping.
  constexpr size_t kFreeMax = 4096;
  std::unique_ptr<ReorderBuffer> owned(buffer);
  if (free_buffers_.size() < kFreeMax) free_buffers_.push_back(std::move(owned));
}

ReorderBuffer::Chunk* ReorderPool::take_chunk() {
  if (chunks_in_use_ == chunks_max_) return nullptr;
  ++chunks_in_use_;
  if (free_chunks_ == nullptr) return new ReorderBuffer::Chunk;
  ReorderBuffer::Chunk* chunk = free_chunks_;
  free_chunks_ = chunk->next_free;
  return chunk;
}

void ReorderPool::return_chunk(ReorderBuffer::Chunk* chunk) {
  --chunks_in_use_;
  chunk->next_free = free_chunks_;
  free_chunks_ = chunk;
}

}  // namespace gatetape
