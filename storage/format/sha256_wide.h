// SHA-256 of sixteen messages side by side, one in each 32-bit element of a vector register: for CPUs with AVX-512,
// where it is about twice as fast as the SHA instructions. Internal to sha256.cc.
#pragma once

#include <span>

#include "storage/format/sha256.h"

namespace gatetape {

bool cpu_has_wide_sha256();
void sha256_wide(std::span<const Sha256Job> jobs);
// Below so many jobs most elements would stand idle.
inline constexpr size_t kWideSha256JobsMin = 12;

}  // namespace gatetape
