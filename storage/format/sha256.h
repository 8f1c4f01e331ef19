// SHA-256 (FIPS 180-4) over many messages at once. CPUs with SHA instructions interleave two, since one message alone
// cannot hide their latency (measured: 1.3 times the speed).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gatetape {

using Sha256Digest = std::array<uint8_t, 32>;

struct Sha256Job {
  const uint8_t* data;
  size_t size;
  uint8_t* digest;  // 32 bytes; may be part of another job's data only if that job is hashed later, in another call
};

void sha256(std::span<const Sha256Job> jobs);
Sha256Digest sha256(std::span<const uint8_t> message);

}  // namespace gatetape
