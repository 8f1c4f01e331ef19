// Literals that the pre-filter found in known bodies, so that a body which a service sends again is scanned only once.
//
// Keyed by a 128-bit hash under a random seed of this process: a sender cannot choose a body that takes another's
// verdict. Bounded: kEntries fixed-size entries in sets of kWays, the oldest of a set replaced first; a body with more
// hits than fit is not kept. One per matcher, for one rule set.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rules/engine/prefilter.h"

namespace gatetape {

class BodyVerdicts {
 public:
  static constexpr size_t kEntries = 1u << 16;
  static constexpr size_t kWays = 4;
  static constexpr size_t kHitsMax = 6;
  static constexpr size_t kBodyBytesMin = 256;  // scanning less costs no more than looking it up

  BodyVerdicts();

  struct Key {
    uint64_t low = 0, high = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  Key key_of(std::span<const uint8_t> body, const Prefilter& prefilter) const;

  // The literals found in that body; null when it is not known.
  struct Hits {
    uint32_t count = 0;
    uint32_t literals[kHitsMax];
    std::span<const uint32_t> span() const { return {literals, count}; }
  };
  const Hits* find(const Key& key);
  void remember(const Key& key, std::span<const uint32_t> literals);

  uint64_t found() const { return found_; }

 private:
  struct Entry {
    Key key;
    Hits hits;
  };
  uint64_t seed_;
  std::vector<Entry> entries_;  // allocated with the first body
  uint64_t found_ = 0;
};

}  // namespace gatetape
