#include "storage/format/sha256_wide.h"

// g++ 12 takes the deliberately undefined operands inside its own AVX-512 intrinsics for mistakes (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "storage/format/sha256_constants.h"

#define GT_WIDE __attribute__((target("avx512f,avx512bw")))
#define GT_WIDE_INLINE __attribute__((target("avx512f,avx512bw"), always_inline)) inline

namespace gatetape {
namespace {

constexpr size_t kLanes = 16, kBlock = 64;

// Sixteen messages on their way: element l of every vector belongs to message l.
struct Messages {
  alignas(64) uint32_t state[8][kLanes];
  const uint8_t* at[kLanes];
  size_t blocks[kLanes];       // contiguous at at[l]
  size_t tail_blocks[kLanes];  // then these, in tail[l]
  uint8_t* digest[kLanes];     // nullptr: idle
  uint8_t tail[kLanes][2 * kBlock];
};

void load(Messages& m, size_t lane, const Sha256Job& job) {
  for (size_t i = 0; i < 8; i++) m.state[i][lane] = kInitialState[i];
  const size_t rest = job.size % kBlock;
  m.at[lane] = job.data;
  m.blocks[lane] = job.size / kBlock;
  m.tail_blocks[lane] = rest + 9 > kBlock ? 2 : 1;
  m.digest[lane] = job.digest;
  uint8_t* tail = m.tail[lane];
  if (rest != 0) std::memcpy(tail, job.data + job.size - rest, rest);
  std::memset(tail + rest, 0, m.tail_blocks[lane] * kBlock - rest);
  tail[rest] = 0x80;
  const uint64_t bits = __builtin_bswap64(uint64_t{job.size} * 8);
  std::memcpy(tail + m.tail_blocks[lane] * kBlock - 8, &bits, 8);
}

// Steps a message on to its tail, or to its end.
void settle(Messages& m, size_t lane) {
  if (m.digest[lane] == nullptr || m.blocks[lane] != 0) return;
  if (m.tail_blocks[lane] != 0) {
    m.at[lane] = m.tail[lane];
    m.blocks[lane] = m.tail_blocks[lane];
    m.tail_blocks[lane] = 0;
    return;
  }
  for (size_t i = 0; i < 8; i++) {
    const uint32_t word = __builtin_bswap32(m.state[i][lane]);
    std::memcpy(m.digest[lane] + 4 * i, &word, 4);
  }
  m.digest[lane] = nullptr;
}

// Rows of sixteen words become columns.
GT_WIDE_INLINE void transpose(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

GT_WIDE_INLINE __m512i xor3(__m512i a, __m512i b, __m512i c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

// FIPS 180-4 section 6.2.2, sixteen times.
GT_WIDE void compress(uint32_t (&state)[8][kLanes], const uint8_t* const* at, size_t blocks) {
  alignas(64) static constexpr uint8_t kSwap[64] = {
      3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12,
      3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12};
  const __m512i swap = _mm512_load_si512(kSwap);
  __m512i s[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) s[i] = _mm512_load_si512(state[i]);
  for (size_t block = 0; block < blocks; block++) {
    __m512i w[16];
#pragma GCC unroll 16
    for (int l = 0; l < 16; l++) w[l] = _mm512_shuffle_epi8(_mm512_loadu_si512(at[l] + block * kBlock), swap);
    transpose(w);
    __m512i a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
#pragma GCC unroll 4
    for (int round = 0; round < 64; round += 16) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) {
        const __m512i k = _mm512_set1_epi32(static_cast<int>(kRoundConstants[round + i]));
        const __m512i big1 = xor3(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11), _mm512_ror_epi32(e, 25));
        const __m512i choose = _mm512_ternarylogic_epi32(e, f, g, 0xca);
        const __m512i t1 =
            _mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32(h, big1), _mm512_add_epi32(choose, k)), w[i]);
        const __m512i big0 = xor3(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13), _mm512_ror_epi32(a, 22));
        const __m512i majority = _mm512_ternarylogic_epi32(a, b, c, 0xe8);
        h = g, g = f, f = e;
        e = _mm512_add_epi32(d, t1);
        d = c, c = b, b = a;
        a = _mm512_add_epi32(t1, _mm512_add_epi32(big0, majority));
        if (round == 48) continue;  // no words needed beyond the last sixteen
        const __m512i w1 = w[(i + 1) % 16], w14 = w[(i + 14) % 16];
        const __m512i small0 = xor3(_mm512_ror_epi32(w1, 7), _mm512_ror_epi32(w1, 18), _mm512_srli_epi32(w1, 3));
        const __m512i small1 = xor3(_mm512_ror_epi32(w14, 17), _mm512_ror_epi32(w14, 19), _mm512_srli_epi32(w14, 10));
        w[i] = _mm512_add_epi32(_mm512_add_epi32(w[i], small0), _mm512_add_epi32(w[(i + 9) % 16], small1));
      }
    }
    const __m512i out[8] = {a, b, c, d, e, f, g, h};
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) s[i] = _mm512_add_epi32(s[i], out[i]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) _mm512_store_si512(state[i], s[i]);
}

}  // namespace

bool cpu_has_wide_sha256() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0;
}

void sha256_wide(std::span<const Sha256Job> jobs) {
  static constexpr uint8_t kNothing[kBlock] = {};
  Messages m{};
  size_t next = 0;
  for (;;) {
    size_t blocks = SIZE_MAX;
    for (size_t lane = 0; lane < kLanes; lane++) {
      settle(m, lane);
      if (m.digest[lane] == nullptr && next < jobs.size()) {
        load(m, lane, jobs[next++]);
        settle(m, lane);
      }
      if (m.digest[lane] != nullptr) blocks = std::min(blocks, m.blocks[lane]);
    }
    if (blocks == SIZE_MAX) return;
    const uint8_t* at[kLanes];
    bool idle = false;
    for (size_t lane = 0; lane < kLanes; lane++) {
      at[lane] = m.digest[lane] != nullptr ? m.at[lane] : kNothing;
      idle = idle || m.digest[lane] == nullptr;
    }
    if (idle) blocks = 1;  // an idle lane has one block to show
    compress(m.state, at, blocks);
    for (size_t lane = 0; lane < kLanes; lane++) {
      if (m.digest[lane] == nullptr) continue;
      m.at[lane] += blocks * kBlock;
      m.blocks[lane] -= blocks;
    }
  }
}

}  // namespace gatetape
