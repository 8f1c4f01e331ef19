// From a 64-bit hash to a 32-bit slot number: the hash table under FlowTable.
//
// A bucket is one cache line of twelve one-byte tags and twelve slot numbers, so that a look-up costs one miss here and
// one for the flow it names, whether there are a thousand flows or a million. A full bucket overflows into the next one
// and counts it; a look-up goes on only where something overflowed, so that erasing leaves no tombstones.
//
// One thread. Fixed size: the owner never inserts more than `slots_max` entries. The hash must be keyed (the table's,
// not the sender's, choice), or a sender could fill one bucket's neighbourhood.
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstdint>

#include "common/check.h"
#include "reassembly/lazy_array.h"

namespace gatetape {

class FlowIndex {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  explicit FlowIndex(uint32_t slots_max)
      : mask_(std::bit_ceil(slots_max / kFillTarget + 1) - 1), buckets_(size_t{mask_} + 1) {}

  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[bucket_of(hash)]); }

  // The first slot with this hash's tag, for a prefetch; kNone when there is none in its first bucket.
  uint32_t likely_slot(uint64_t hash) const {
    const Bucket& bucket = buckets_[bucket_of(hash)];
    const uint32_t hits = bucket.matching(tag_of(hash));
    return hits == 0 ? kNone : bucket.slots[std::countr_zero(hits)];
  }

  // The slot for which `is_it(slot)` holds, among those with this hash; kNone when there is none.
  template <class IsIt>
  uint32_t find(uint64_t hash, IsIt&& is_it) const {
    const uint8_t tag = tag_of(hash);
    for (uint32_t b = bucket_of(hash);; b = (b + 1) & mask_) {
      const Bucket& bucket = buckets_[b];
      for (uint32_t hits = bucket.matching(tag); hits != 0; hits &= hits - 1) {
        const uint32_t slot = bucket.slots[std::countr_zero(hits)];
        if (is_it(slot)) return slot;
      }
      if (bucket.overflowed == 0) return kNone;
    }
  }

  // Precondition: the slot is not in the index.
  void insert(uint64_t hash, uint32_t slot) {
    for (uint32_t b = bucket_of(hash);; b = (b + 1) & mask_) {
      Bucket& bucket = buckets_[b];
      const uint32_t empty = bucket.matching(0);
      if (empty != 0) {
        const int i = std::countr_zero(empty);
        bucket.tags[i] = tag_of(hash);
        bucket.slots[i] = slot;
        return;
      }
      ++bucket.overflowed;
    }
  }

  // Precondition: the slot is in the index, under this hash.
  void erase(uint64_t hash, uint32_t slot) {
    for (uint32_t b = bucket_of(hash);; b = (b + 1) & mask_) {
      Bucket& bucket = buckets_[b];
      for (uint32_t hits = bucket.matching(tag_of(hash)); hits != 0; hits &= hits - 1) {
        const int i = std::countr_zero(hits);
        if (bucket.slots[i] != slot) continue;
        bucket.tags[i] = 0;
        return;
      }
      GT_CHECK(bucket.overflowed > 0);
      --bucket.overflowed;
    }
  }

 private:
  static constexpr int kSlots = 12;
  static constexpr uint32_t kFillTarget = 7;  // slots used per bucket, at most, when the table is full

  struct alignas(64) Bucket {
    uint8_t tags[kSlots];  // 0: empty
    uint32_t overflowed;   // entries that belong here or before and lie behind
    uint32_t slots[kSlots];

    // One bit per slot whose tag is `tag`.
    uint32_t matching(uint8_t tag) const {
      const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
      const __m128i equal = _mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(tag)));
      return static_cast<uint32_t>(_mm_movemask_epi8(equal)) & ((1u << kSlots) - 1);
    }
  };
  static_assert(sizeof(Bucket) == 64);

  static uint8_t tag_of(uint64_t hash) {
    const uint8_t tag = static_cast<uint8_t>(hash >> 56);
    return tag == 0 ? 1 : tag;
  }
  uint32_t bucket_of(uint64_t hash) const { return static_cast<uint32_t>(hash) & mask_; }

  uint32_t mask_;
  LazyArray<Bucket> buckets_;
};

}  // namespace gatetape
