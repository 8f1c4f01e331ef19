// Chooses the literal of a rule that its pre-filter looks for. A rule without one has to be looked at every time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "packet/flow_key.h"
#include "rules/language/rule.h"

namespace gatetape {

// Longer literals are cut to their best part of this size, since confirmation looks at the whole anyway. A literal that
// spans two parts of a stream is found by scanning this many bytes (less one) again.
inline constexpr size_t kFastPatternBytesMax = 32;

struct FastPatternChoice {
  size_t group = 0;     // an index into the rule's groups
  std::string literal;  // in lower case when caseless
  bool caseless = false;
  // The match ends within this many bytes from the buffer's start; UINT32_MAX: anywhere.
  uint32_t ends_within = UINT32_MAX;
};

// Chooses among the buffers that a direction has: the literal that the author chose, if it can be used, else the one
// that is rarest for the cost of scanning its buffer. Returns nothing when the rule has no literal that must occur in a
// buffer that can be scanned as it is.
std::optional<FastPatternChoice> choose_fast_pattern(const Rule& rule, Direction direction);

}  // namespace gatetape
