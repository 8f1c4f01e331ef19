#include "storage/anchors.h"

#include <immintrin.h>
#include <xxhash.h>

namespace gatetape {

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

void AnchorFinder::find(std::span<const uint8_t> bytes, size_t room, std::vector<uint32_t>& anchors) const {
  constexpr size_t kStep = 16, kReach = kStep + 3;
  const size_t end =
      bytes.size() >= room && bytes.size() >= kReach ? bytes.size() - (room > kReach ? room : kReach) + 1 : 0;
  __m128i low[4], high[4];
  for (int k = 0; k < 4; k++) {
    low[k] = _mm_load_si128(reinterpret_cast<const __m128i*>(tables_[k][0]));
    high[k] = _mm_load_si128(reinterpret_cast<const __m128i*>(tables_[k][1]));
  }
  const __m128i nibble = _mm_set1_epi8(0x0f);
  const __m128i mask = _mm_set1_epi8(static_cast<char>(mask_));
  size_t allowed_from = 0;
  for (size_t at = 0; at < end; at += kStep) {
    __m128i hash = _mm_setzero_si128();
    for (size_t k = 0; k < 4; k++) {
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at + k));
      hash = _mm_xor_si128(hash, _mm_shuffle_epi8(low[k], _mm_and_si128(b, nibble)));
      hash = _mm_xor_si128(hash, _mm_shuffle_epi8(high[k], _mm_and_si128(_mm_srli_epi16(b, 4), nibble)));
    }
    const __m128i zero = _mm_cmpeq_epi8(_mm_and_si128(hash, mask), _mm_setzero_si128());
    for (auto found = static_cast<uint32_t>(_mm_movemask_epi8(zero)); found != 0; found &= found - 1) {
      const size_t place = at + static_cast<size_t>(__builtin_ctz(found));
      if (place < allowed_from || place >= end) continue;
      anchors.push_back(static_cast<uint32_t>(place));
      allowed_from = place + kAnchorGapBytes;
    }
  }
}

}  // namespace gatetape
