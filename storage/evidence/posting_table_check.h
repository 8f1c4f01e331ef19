// Compares posting tables by what they say, whatever bytes zstd packed them into.
#pragma once

#include <span>

#include "storage/format/format.h"

namespace gatetape {

// `a` may be hostile: it is unpacked to no more than `b`. False also for sections that are no posting tables, and for a
// damaged one.
bool same_postings(SectionType type, std::span<const uint8_t> a, std::span<const uint8_t> b);

}  // namespace gatetape
