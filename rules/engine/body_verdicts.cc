#include "rules/engine/body_verdicts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <random>

namespace gatetape {
namespace {

uint64_t process_seed() {
  static const uint64_t seed = [] {
    std::random_device random;
    return uint64_t{random()} << 32 | random();
  }();
  return seed;
}

}  // namespace

BodyVerdicts::BodyVerdicts() : seed_(process_seed()) {}

BodyVerdicts::Key BodyVerdicts::key_of(std::span<const uint8_t> body, const Prefilter& prefilter) const {
  const auto which = reinterpret_cast<uintptr_t>(&prefilter);
  const XXH128_hash_t hash = XXH3_128bits_withSeed(body.data(), body.size(), seed_ ^ which);
  // Never the empty entry's key.
  return {hash.low64, hash.high64 | 1};
}

const BodyVerdicts::Hits* BodyVerdicts::find(const Key& key) {
  if (entries_.empty()) return nullptr;
  Entry* const set = &entries_[key.low % (kEntries / kWays) * kWays];
  for (Entry* e = set; e != set + kWays; ++e) {
    if (!(e->key == key)) continue;
    ++found_;
    // To the front, so that the last one is the oldest.
    std::rotate(set, e, e + 1);
    return &set->hits;
  }
  return nullptr;
}

void BodyVerdicts::remember(const Key& key, std::span<const uint32_t> literals) {
  if (literals.size() > kHitsMax) return;
  if (entries_.empty()) entries_.resize(kEntries);
  Entry* const set = &entries_[key.low % (kEntries / kWays) * kWays];
  std::rotate(set, set + kWays - 1, set + kWays);
  set->key = key;
  set->hits.count = static_cast<uint32_t>(literals.size());
  std::copy(literals.begin(), literals.end(), set->hits.literals);
}

}  // namespace gatetape
