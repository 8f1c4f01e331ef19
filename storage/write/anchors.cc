#include "storage/write/anchors.h"

#include <immintrin.h>
#include <xxhash.h>

#include <algorithm>

namespace gatetape {
namespace {

using Tables = uint8_t[4][2][16];

// Bit i: place i of the 16 is an anchor.
uint32_t anchors_of_16(const Tables& tables, __m128i mask, const uint8_t* at) {
  const __m128i nibble = _mm_set1_epi8(0x0f);
  __m128i hash = _mm_setzero_si128();
  for (size_t k = 0; k < 4; k++) {
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + k));
    const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(tables[k][0]));
    const __m128i high = _mm_load_si128(reinterpret_cast<const __m128i*>(tables[k][1]));
    hash = _mm_xor_si128(hash, _mm_shuffle_epi8(low, _mm_and_si128(b, nibble)));
    hash = _mm_xor_si128(hash, _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(b, 4), nibble)));
  }
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(hash, mask), _mm_setzero_si128())));
}

// The same for 32 places.
__attribute__((target("avx2"))) uint32_t anchors_of_32(const Tables& tables, uint8_t mask, const uint8_t* at) {
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  __m256i hash = _mm256_setzero_si256();
  for (size_t k = 0; k < 4; k++) {
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + k));
    const __m256i low = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(tables[k][0])));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(tables[k][1])));
    hash = _mm256_xor_si256(hash, _mm256_shuffle_epi8(low, _mm256_and_si256(b, nibble)));
    hash = _mm256_xor_si256(hash, _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(b, 4), nibble)));
  }
  const __m256i low_bits = _mm256_and_si256(hash, _mm256_set1_epi8(static_cast<char>(mask)));
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low_bits, _mm256_setzero_si256())));
}

struct Emitter {
  std::vector<uint32_t>& anchors;
  size_t end;
  size_t allowed_from = 0;

  void emit(size_t at, uint32_t found) {
    for (; found != 0; found &= found - 1) {
      const size_t place = at + static_cast<size_t>(__builtin_ctz(found));
      if (place < allowed_from || place >= end) continue;
      anchors.push_back(static_cast<uint32_t>(place));
      allowed_from = place + AnchorFinder::kGapBytes;
    }
  }
};

__attribute__((target("avx2"))) void find_32(const Tables& tables, uint8_t mask, const uint8_t* bytes, size_t begin,
                                             Emitter& out) {
  for (size_t at = begin; at < out.end; at += 32) out.emit(at, anchors_of_32(tables, mask, bytes + at));
}

void find_16(const Tables& tables, uint8_t mask, const uint8_t* bytes, size_t begin, Emitter& out) {
  const __m128i wide_mask = _mm_set1_epi8(static_cast<char>(mask));
  for (size_t at = begin; at < out.end; at += 16) out.emit(at, anchors_of_16(tables, wide_mask, bytes + at));
}

}  // namespace

AnchorFinder::AnchorFinder(uint64_t seed, int density_bits) : mask_(static_cast<uint8_t>((1 << density_bits) - 1)) {
  for (auto& byte : tables_) {
    for (auto& nibble : byte) {
      for (uint8_t& entry : nibble) {
        seed = XXH64(&seed, sizeof seed, seed);
        entry = static_cast<uint8_t>(seed >> 56);
      }
    }
  }
}

void AnchorFinder::find(std::span<const uint8_t> bytes, size_t begin, size_t end,
                        std::vector<uint32_t>& anchors) const {
  if (bytes.size() < kRoomBytes) return;
  static const bool wide = __builtin_cpu_supports("avx2") != 0;
  Emitter out{anchors, std::min(end, bytes.size() - kRoomBytes + 1)};
  wide ? find_32(tables_, mask_, bytes.data(), begin, out) : find_16(tables_, mask_, bytes.data(), begin, out);
}

}  // namespace gatetape
