#include "storage/write/identities.h"

#include <openssl/rand.h>
#include <xxhash.h>

#include <cstring>

#include "common/check.h"

namespace gatetape {
namespace {

enum Purpose : uint64_t { kRun, kSegment, kStream, kStore };

void fill_with_random(void* out, size_t bytes) {
  GT_CHECK(RAND_bytes(static_cast<unsigned char*>(out), static_cast<int>(bytes)) == 1);
}

}  // namespace

Identities::Identities(uint64_t seed, std::optional<uint64_t> anchor_seed) : seed_(seed), anchor_seed_(anchor_seed) {}

Uuid Identities::uuid(uint64_t purpose, uint64_t number) const {
  Uuid uuid;
  if (seed_ == 0) {
    fill_with_random(uuid.data(), uuid.size());
    return uuid;
  }
  const uint64_t message[] = {purpose, number};
  const XXH128_hash_t hash = XXH3_128bits_withSeed(message, sizeof message, seed_);
  std::memcpy(uuid.data(), &hash.low64, sizeof hash.low64);
  std::memcpy(uuid.data() + sizeof hash.low64, &hash.high64, sizeof hash.high64);
  return uuid;
}

Uuid Identities::run_uuid(uint64_t first_sequence) const {
  return uuid(kRun, first_sequence);
}

Uuid Identities::segment_uuid(uint64_t sequence) const {
  return uuid(kSegment, sequence);
}

Uuid Identities::store_uuid() const {
  return uuid(kStore, 0);
}

uint64_t Identities::stream_seed(uint16_t worker, RetentionClass retention) const {
  if (anchor_seed_) return *anchor_seed_;
  if (seed_ == 0) {
    uint64_t random;
    fill_with_random(&random, sizeof random);
    return random;
  }
  const uint64_t message[] = {kStream, worker, static_cast<uint64_t>(retention)};
  return XXH3_64bits_withSeed(message, sizeof message, seed_);
}

}  // namespace gatetape
