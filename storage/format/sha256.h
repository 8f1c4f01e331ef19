// SHA-256 (FIPS 180-4) over many messages at once, and the hash tree of RFC 6962 over the results. Two messages are
// interleaved on CPUs with SHA instructions, whose latency one message alone cannot hide (measured: 1.3 times the
// speed).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gatetape {

using Sha256Digest = std::array<uint8_t, 32>;

struct Sha256Job {
  const uint8_t* data;
  size_t size;
  uint8_t* digest;  // 32 bytes; may be part of another job's data only if that job is hashed later, in another call
};

void sha256(std::span<const Sha256Job> jobs);
Sha256Digest sha256(std::span<const uint8_t> message);

// MTH of RFC 6962 section 2.1 over leaves that are already hashed (with their 0x00 prefix). `leaves` is used as
// scratch. Of nothing: H() of the empty string, as there.
Sha256Digest tree_root(std::vector<Sha256Digest>& leaves);

}  // namespace gatetape
