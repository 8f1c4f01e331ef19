#include "storage/repeat_finder.h"

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
    16 << 10;                     // literals are appended at least this often, so that a frame can refer to itself
constexpr size_t kLookahead = 8;  // anchors whose table lines are fetched in advance
constexpr int kTagBits = 24, kPositionBits = 40;
constexpr uint64_t kPositionMask = (uint64_t{1} << kPositionBits) - 1;

// How many bytes are equal from a and b onwards, at most n.
uint32_t equal_forwards(const uint8_t* a, const uint8_t* b, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m128i left = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i));
    const __m128i right = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i));
    const auto equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(left, right)));
    if (equal != 0xffff) return static_cast<uint32_t>(i) + static_cast<uint32_t>(std::countr_one(equal));
  }
  while (i < n && a[i] == b[i]) i++;
  return static_cast<uint32_t>(i);
}

// How many bytes are equal before a and b, at most n.
uint32_t equal_backwards(const uint8_t* a, const uint8_t* b, size_t n) {
  uint32_t i = 0;
  while (i < n && a[-1 - static_cast<ptrdiff_t>(i)] == b[-1 - static_cast<ptrdiff_t>(i)]) i++;
  return i;
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

// The state of one split().
struct RepeatFinder::Cursor {
  std::span<const uint8_t> stream;
  uint32_t pending = 0;     // the stream from here on is not yet in any operation ...
  uint32_t literals = 0;    // ... but this many literals before it have been appended since the last reference
  size_t first_anchor = 0;  // of those not yet in the table
};

RepeatFinder::RepeatFinder(size_t memory_bytes, uint64_t seed)
    : seed_(seed), anchor_finder_(seed ^ 0x9e3779b97f4a7c15u, kAnchorDensityBits) {
  // Literals, and eight bytes for each anchor in them at no more than three quarters full.
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

// Literals that may still be compared with: those that this frame's cannot overwrite.
uint64_t RepeatFinder::oldest_position() const {
  const uint64_t reach = capacity_ - kFrameBytesMax;
  return frame_begin_ > reach ? frame_begin_ - reach : 0;
}

void RepeatFinder::begin_frame(size_t stream_bytes) {
  GT_CHECK(stream_bytes <= kFrameBytesMax);
  frame_begin_ = end_;
  if (capacity_ == 0) return;
  if (end_ % capacity_ + stream_bytes > capacity_) {
    gap_begin_ = end_;
    gap_end_ = frame_begin_ = end_ = (end_ / capacity_ + 1) * capacity_;
  }
}

uint64_t RepeatFinder::key_at(const uint8_t* at) const {
  return XXH3_64bits_withSeed(at, kKeyBytes, seed_);
}

bool RepeatFinder::match_at(const Cursor& cursor, uint32_t anchor, uint64_t key, Match& match) const {
  const uint64_t entry = table_[key & table_mask_];
  if (entry >> kPositionBits != key >> (64 - kTagBits) || (entry & kPositionMask) == 0) return false;
  const uint64_t candidate = (entry & kPositionMask) - 1;
  uint64_t first = oldest_position(), last = end_;  // the candidate's surroundings, without the gap
  if (candidate >= gap_end_) {
    first = std::max(first, gap_end_);
  } else {
    last = gap_begin_;
  }
  if (candidate < first || candidate + kKeyBytes > last) return false;
  const uint8_t* here = cursor.stream.data() + anchor;
  const uint32_t forwards =
      equal_forwards(here, at(candidate), std::min<size_t>(cursor.stream.size() - anchor, last - candidate));
  if (forwards < kKeyBytes) return false;
  const uint32_t backwards =
      equal_backwards(here, at(candidate), std::min<size_t>(anchor - cursor.pending, candidate - first));
  match = {candidate - backwards, anchor - backwards, anchor + forwards};
  return forwards + backwards >= kMatchBytesMin;
}

// Appends the stream up to `until` to the literals, and their anchors to the table.
void RepeatFinder::append_literals(Cursor& cursor, uint32_t until) {
  const uint32_t n = until - cursor.pending;
  if (n == 0) return;
  std::memcpy(memory_.data() + (capacity_ == 0 ? end_ - frame_begin_ : end_ % capacity_),
              cursor.stream.data() + cursor.pending, n);
  for (; cursor.first_anchor < anchors_.size() && anchors_[cursor.first_anchor] + kKeyBytes <= until;
       cursor.first_anchor++) {
    const uint32_t anchor = anchors_[cursor.first_anchor];
    if (anchor < cursor.pending) continue;  // inside a reference
    const uint64_t key = keys_[cursor.first_anchor];
    const uint64_t position = end_ + (anchor - cursor.pending);
    table_[key & table_mask_] = (key >> (64 - kTagBits) << kPositionBits) | ((position + 1) & kPositionMask);
  }
  end_ += n;
  cursor.literals += n;
  cursor.pending = until;
}

std::span<const uint8_t> RepeatFinder::split(std::span<const uint8_t> stream,
                                             std::vector<PayloadOperation>& operations) {
  begin_frame(stream.size());
  operations.clear();
  anchors_.clear();
  if (capacity_ != 0) anchor_finder_.find(stream, kKeyBytes, anchors_);
  keys_.resize(anchors_.size());
  Cursor cursor{stream};
  size_t fetched = 0;
  for (size_t i = 0; i < anchors_.size(); i++) {
    for (; fetched < std::min(i + kLookahead, anchors_.size()); fetched++) {
      keys_[fetched] = key_at(stream.data() + anchors_[fetched]);
      __builtin_prefetch(&table_[keys_[fetched] & table_mask_], 1);
    }
    if (anchors_[i] < cursor.pending) continue;
    if (anchors_[i] - cursor.pending > kPendingBytesMax) append_literals(cursor, anchors_[i]);
    Match match;
    if (!match_at(cursor, anchors_[i], keys_[i], match)) continue;
    append_literals(cursor, match.begin);
    operations.push_back({cursor.literals, match.end - match.begin, match.position});
    cursor.literals = 0;
    cursor.pending = match.end;
  }
  append_literals(cursor, static_cast<uint32_t>(stream.size()));
  if (cursor.literals != 0) operations.push_back({cursor.literals, 0, 0});
  return {capacity_ == 0 ? memory_.data() : at(frame_begin_), end_ - frame_begin_};
}

}  // namespace gatetape
