// Which literal of a rule its pre-filter looks for. A rule without one has to be looked at every time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "packet/flow_key.h"
#include "rules/language/rule.h"

namespace gatetape {

// Longer literals are cut to their best part of this size: confirmation looks at the whole anyway, and what spans two
// chunks of a stream is found by scanning this many bytes (less one) again.
inline constexpr size_t kFastPatternBytesMax = 32;

struct FastPatternChoice {
  size_t group = 0;     // place among the rule's groups
  std::string literal;  // in lower case when caseless
  bool caseless = false;
  // The match ends within this many bytes from the buffer's start; UINT32_MAX: anywhere.
  uint32_t ends_within = UINT32_MAX;
};

// Chooses, in the buffers that a direction has, the author's literal, if it can be used, else the one that is
// rarest for what scanning its buffer costs. Nothing when the rule has no literal that must occur in a buffer that can
// be scanned as it is.
std::optional<FastPatternChoice> choose_fast_pattern(const Rule& rule, Direction direction);

}  // namespace gatetape
