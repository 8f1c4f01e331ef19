#include "storage/write/repeat_finder.h"

#define XXH_INLINE_ALL
#include <immintrin.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/check.h"

namespace gatetape {
namespace {

constexpr int kAnchorDensityBits = 6;
constexpr uint32_t kKeyBytes = 32;       // hashed at an anchor
constexpr uint32_t kMatchBytesMin = 64;  // a shorter repeat costs more than it saves
constexpr uint32_t kPendingBytesMax =
    16 << 10;                              // literals are appended at least this often: a frame can refer to itself
constexpr uint32_t kChunkBytes = 2 << 10;  // looked through at a time; a long repeat saves looking through the rest
constexpr int kTagBits = 24, kPositionBits = 40;
constexpr uint64_t kPositionMask = (uint64_t{1} << kPositionBits) - 1;

uint32_t equal_bytes(const uint8_t* a, const uint8_t* b) {
  const __m128i left = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
  const __m128i right = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(left, right)));
}

// How many bytes are equal from a and b onwards, at most n.
uint32_t equal_forwards(const uint8_t* a, const uint8_t* b, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const uint32_t equal = equal_bytes(a + i, b + i);
    if (equal != 0xffff) return static_cast<uint32_t>(i) + static_cast<uint32_t>(std::countr_one(equal));
  }
  while (i < n && a[i] == b[i]) i++;
  return static_cast<uint32_t>(i);
}

// How many bytes are equal before a and b, at most n.
uint32_t equal_backwards(const uint8_t* a, const uint8_t* b, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const uint32_t equal = equal_bytes(a - i - 16, b - i - 16);
    if (equal != 0xffff) return static_cast<uint32_t>(i) + static_cast<uint32_t>(std::countl_one(equal << 16));
  }
  while (i < n && *(a - i - 1) == *(b - i - 1)) i++;
  return static_cast<uint32_t>(i);
}

}  // namespace

void encode_operations(std::span<const PayloadOperation> operations, ByteSink& out) {
  uint64_t expected = 0;
  for (const PayloadOperation& operation : operations) {
    out.varint(operation.literal_bytes);
    if (operation.reference_bytes == 0) break;  // the last
    out.varint(operation.reference_bytes);
    out.signed_varint(static_cast<int64_t>(operation.position - expected));
    expected = operation.position + operation.reference_bytes;
  }
}

RepeatFinder::RepeatFinder(size_t memory_bytes, uint64_t seed)
    : seed_(seed), anchor_finder_(seed ^ 0x9e3779b97f4a7c15u, kAnchorDensityBits) {
  capacity_ = memory_bytes < kMemoryBytesMin ? 0 : memory_bytes / 8 * 7 / kFrameBytesMax * kFrameBytesMax;
  memory_ = LazyMemory<uint8_t>(std::max(capacity_, kFrameBytesMax));
  if (capacity_ == 0) return;
  table_ = LazyMemory<uint64_t>(std::bit_floor(memory_bytes / 8 / sizeof(uint64_t)));
  table_mask_ = table_.size() - 1;
}

void RepeatFinder::start_segment() {
  frame_begin_ = end_ = gap_begin_ = gap_end_ = 0;
  table_.clear();
}

// Literals that may still be compared with: those that this frame cannot overwrite.
uint64_t RepeatFinder::oldest_position() const {
  const uint64_t reach = capacity_ - kFrameBytesMax;
  return frame_begin_ > reach ? frame_begin_ - reach : 0;
}

std::span<uint8_t> RepeatFinder::begin_frame(size_t stream_bytes) {
  GT_CHECK(stream_bytes <= kFrameBytesMax);
  frame_begin_ = end_;
  if (capacity_ != 0 && end_ % capacity_ + stream_bytes > capacity_) {
    gap_begin_ = end_;
    gap_end_ = frame_begin_ = end_ = (end_ / capacity_ + 1) * capacity_;
  }
  stream_ = {at(frame_begin_), stream_bytes};
  return stream_;
}

bool RepeatFinder::match_at(const Cursor& cursor, const Anchor& anchor, Match& match) const {
  const uint64_t entry = table_[anchor.key & table_mask_];
  if (entry >> kPositionBits != anchor.key >> (64 - kTagBits) || (entry & kPositionMask) == 0) return false;
  const uint64_t candidate = (entry & kPositionMask) - 1;
  uint64_t first = oldest_position(), last = end_;  // the candidate's surroundings, without the gap
  if (candidate >= gap_end_) {
    first = std::max(first, gap_end_);
  } else {
    last = gap_begin_;
  }
  if (candidate < first || candidate + kKeyBytes > last) return false;
  const uint8_t* here = stream_.data() + anchor.at;
  const uint32_t forwards =
      equal_forwards(here, at(candidate), std::min<size_t>(stream_.size() - anchor.at, last - candidate));
  if (forwards < kKeyBytes) return false;
  const uint32_t backwards =
      equal_backwards(here, at(candidate), std::min<size_t>(anchor.at - cursor.pending, candidate - first));
  match = {candidate - backwards, anchor.at - backwards, anchor.at + forwards};
  return forwards + backwards >= kMatchBytesMin;
}

void RepeatFinder::remember(const Anchor& anchor, const Cursor& cursor) {
  const uint64_t position = end_ + (anchor.at - cursor.pending);
  table_[anchor.key & table_mask_] =
      (anchor.key >> (64 - kTagBits) << kPositionBits) | ((position + 1) & kPositionMask);
}

// Appends the stream up to `until` to the literals, and the anchors in it to the table.
void RepeatFinder::append_literals(Cursor& cursor, uint32_t until) {
  for (const Anchor& anchor : waiting_) {
    if (anchor.at >= cursor.pending && anchor.at + kKeyBytes <= until) remember(anchor, cursor);
  }
  waiting_.clear();
  const uint32_t n = until - cursor.pending;
  uint8_t* to = at(end_);
  if (n != 0 && to != stream_.data() + cursor.pending) std::memmove(to, stream_.data() + cursor.pending, n);
  end_ += n;
  cursor.literals += n;
  cursor.pending = until;
}

// Looks through [begin, end) of the stream; returns where to go on.
uint32_t RepeatFinder::split_chunk(Cursor& cursor, uint32_t begin, uint32_t end,
                                   std::vector<PayloadOperation>& operations) {
  places_.clear();
  anchors_.clear();
  anchor_finder_.find(stream_, begin, end, places_);
  for (const uint32_t place : places_) {
    anchors_.push_back({place, XXH3_64bits_withSeed(stream_.data() + place, kKeyBytes, seed_)});
    __builtin_prefetch(&table_[anchors_.back().key & table_mask_], 1);
  }
  for (const Anchor& anchor : anchors_) {
    if (anchor.at < cursor.pending) continue;
    Match match;
    if (!match_at(cursor, anchor, match)) {
      waiting_.push_back(anchor);
      continue;
    }
    append_literals(cursor, match.begin);
    operations.push_back({cursor.literals, match.end - match.begin, match.position});
    cursor.literals = 0;
    cursor.pending = match.end;
    if (match.end >= end) return match.end;
  }
  if (end - cursor.pending > kPendingBytesMax) append_literals(cursor, end);
  return end;
}

std::span<const uint8_t> RepeatFinder::split(uint32_t searched_bytes, std::vector<PayloadOperation>& operations) {
  operations.clear();
  waiting_.clear();
  Cursor cursor;
  const auto size = static_cast<uint32_t>(stream_.size());
  if (capacity_ != 0) {
    for (uint32_t begin = 0; begin < searched_bytes;) {
      begin = split_chunk(cursor, begin, std::min(begin + kChunkBytes, searched_bytes), operations);
    }
  }
  append_literals(cursor, size);
  if (cursor.literals != 0) operations.push_back({cursor.literals, 0, 0});
  return {at(frame_begin_), end_ - frame_begin_};
}

}  // namespace gatetape
