#include "storage/format/sha256.h"

#include <cpuid.h>
#include <immintrin.h>
#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/check.h"
#include "storage/format/sha256_constants.h"
#include "storage/format/sha256_wide.h"

namespace gatetape {
namespace {

constexpr size_t kBlock = 64;

bool cpu_has_sha() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & (1u << 29)) != 0;
}

// One message on its way: whole blocks from the message itself, then the padded rest from `tail`.
struct Lane {
  __m128i abef, cdgh;  // the state, as the SHA instructions want it
  const uint8_t* at = nullptr;
  size_t blocks = 0;  // contiguous at `at`
  size_t tail_blocks = 0;
  uint8_t* digest = nullptr;
  alignas(16) uint8_t tail[2 * kBlock];

  bool busy() const { return digest != nullptr; }
};

__attribute__((target("sha,sse4.1"))) void load(Lane& lane, const Sha256Job& job) {
  const __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kInitialState)), 0xb1);
  const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kInitialState + 4)), 0x1b);
  lane.abef = _mm_alignr_epi8(dcba, hgfe, 8);
  lane.cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);
  lane.at = job.data;
  lane.blocks = job.size / kBlock;
  lane.digest = job.digest;
  const size_t rest = job.size % kBlock;
  lane.tail_blocks = rest + 9 > kBlock ? 2 : 1;
  if (rest != 0) std::memcpy(lane.tail, job.data + job.size - rest, rest);
  std::memset(lane.tail + rest, 0, lane.tail_blocks * kBlock - rest);
  lane.tail[rest] = 0x80;
  const uint64_t bits = __builtin_bswap64(uint64_t{job.size} * 8);
  std::memcpy(lane.tail + lane.tail_blocks * kBlock - 8, &bits, 8);
  if (lane.blocks == 0) {
    lane.at = lane.tail;
    lane.blocks = lane.tail_blocks;
    lane.tail_blocks = 0;
  }
}

__attribute__((target("sha,sse4.1"))) void finish(Lane& lane) {
  const __m128i feba = _mm_shuffle_epi32(lane.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(lane.cdgh, 0xb1);
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  auto* out = reinterpret_cast<__m128i*>(lane.digest);
  _mm_storeu_si128(out, _mm_shuffle_epi8(_mm_blend_epi16(feba, dchg, 0xf0), swap));
  _mm_storeu_si128(out + 1, _mm_shuffle_epi8(_mm_alignr_epi8(dchg, feba, 8), swap));
  lane.digest = nullptr;
}

// Four rounds with message words w, for kLanes messages side by side.
#define GT_FOUR_ROUNDS(i, w)                                                                                      \
  for (int l = 0; l < kLanes; l++) {                                                                              \
    __m128i k = _mm_add_epi32(w[l], _mm_load_si128(reinterpret_cast<const __m128i*>(kRoundConstants + 4 * (i)))); \
    cdgh[l] = _mm_sha256rnds2_epu32(cdgh[l], abef[l], k);                                                         \
    abef[l] = _mm_sha256rnds2_epu32(abef[l], cdgh[l], _mm_shuffle_epi32(k, 0x0e));                                \
  }
// w0 becomes the message words sixteen further on, from the four quads w0..w3.
#define GT_SCHEDULE(w0, w1, w2, w3)                                                                                   \
  for (int l = 0; l < kLanes; l++)                                                                                    \
    w0[l] = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0[l], w1[l]), _mm_alignr_epi8(w3[l], w2[l], 4)), \
                                 w3[l]);

template <int kLanes>
__attribute__((target("sha,sse4.1"))) void compress(Lane* const* lanes, size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef[kLanes], cdgh[kLanes], a[kLanes], b[kLanes], c[kLanes], d[kLanes];
  for (int l = 0; l < kLanes; l++) abef[l] = lanes[l]->abef, cdgh[l] = lanes[l]->cdgh;
  for (size_t block = 0; block < blocks; block++) {
    __m128i abef_before[kLanes], cdgh_before[kLanes];
    for (int l = 0; l < kLanes; l++) {
      const auto* in = reinterpret_cast<const __m128i*>(lanes[l]->at + block * kBlock);
      abef_before[l] = abef[l];
      cdgh_before[l] = cdgh[l];
      a[l] = _mm_shuffle_epi8(_mm_loadu_si128(in), swap);
      b[l] = _mm_shuffle_epi8(_mm_loadu_si128(in + 1), swap);
      c[l] = _mm_shuffle_epi8(_mm_loadu_si128(in + 2), swap);
      d[l] = _mm_shuffle_epi8(_mm_loadu_si128(in + 3), swap);
    }
#pragma GCC unroll 3
    for (int i = 0; i < 12; i += 4) {
      GT_FOUR_ROUNDS(i, a)
      GT_SCHEDULE(a, b, c, d)
      GT_FOUR_ROUNDS(i + 1, b)
      GT_SCHEDULE(b, c, d, a)
      GT_FOUR_ROUNDS(i + 2, c) GT_SCHEDULE(c, d, a, b) GT_FOUR_ROUNDS(i + 3, d) GT_SCHEDULE(d, a, b, c)
    }
    GT_FOUR_ROUNDS(12, a)
    GT_FOUR_ROUNDS(13, b) GT_FOUR_ROUNDS(14, c) GT_FOUR_ROUNDS(15, d) for (int l = 0; l < kLanes; l++) {
      abef[l] = _mm_add_epi32(abef[l], abef_before[l]);
      cdgh[l] = _mm_add_epi32(cdgh[l], cdgh_before[l]);
    }
  }
  for (int l = 0; l < kLanes; l++) lanes[l]->abef = abef[l], lanes[l]->cdgh = cdgh[l];
}
#undef GT_FOUR_ROUNDS
#undef GT_SCHEDULE

void advance(Lane& lane, size_t blocks) {
  lane.at += blocks * kBlock;
  lane.blocks -= blocks;
  if (lane.blocks != 0) return;
  if (lane.tail_blocks == 0) return finish(lane);
  lane.at = lane.tail;
  lane.blocks = lane.tail_blocks;
  lane.tail_blocks = 0;
}

void hash_with_sha_instructions(std::span<const Sha256Job> jobs) {
  Lane first, second;
  Lane* const both[2] = {&first, &second};
  size_t next = 0;
  for (;;) {
    for (Lane* lane : both) {
      if (!lane->busy() && next < jobs.size()) load(*lane, jobs[next++]);
    }
    if (first.busy() && second.busy()) {
      const size_t blocks = std::min(first.blocks, second.blocks);
      compress<2>(both, blocks);
      advance(first, blocks);
      advance(second, blocks);
      continue;
    }
    if (!first.busy() && !second.busy()) return;
    Lane* const alone[1] = {first.busy() ? &first : &second};
    const size_t blocks = alone[0]->blocks;
    compress<1>(alone, blocks);
    advance(*alone[0], blocks);
  }
}

void hash_with_openssl(std::span<const Sha256Job> jobs) {
  for (const Sha256Job& job : jobs) {
    GT_CHECK(EVP_Digest(job.data, job.size, job.digest, nullptr, EVP_sha256(), nullptr) == 1);
  }
}

}  // namespace

void sha256(std::span<const Sha256Job> jobs) {
  static const bool wide = cpu_has_wide_sha256();
  static const bool has_sha = cpu_has_sha();
  if (wide && jobs.size() >= kWideSha256JobsMin) return sha256_wide(jobs);
  has_sha ? hash_with_sha_instructions(jobs) : hash_with_openssl(jobs);
}

Sha256Digest sha256(std::span<const uint8_t> message) {
  Sha256Digest digest;
  const Sha256Job job{message.data(), message.size(), digest.data()};
  sha256({&job, 1});
  return digest;
}

}  // namespace gatetape
