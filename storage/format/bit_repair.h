// Finds the one bit that flipped in a section. Disks and memory do flip bits, and many frames may refer to one section
// of literals. The code is the CRC-32C (RFC 3720, B.4) of the section's bytes: two different flips of one bit never
// give the same code in anything shorter than 2^31 bits, so the difference of two codes says which bit it was. It
// cannot say that no more happened: the caller compares the section's checksum. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace gatetape {

uint32_t repair_code(std::span<const uint8_t> bytes);

// The number of the bit (8 * byte + bit, 0 the least significant) whose flip changes the code of `bytes` into `code`;
// nothing when none does. Takes some nanoseconds per byte.
std::optional<uint64_t> flipped_bit(std::span<const uint8_t> bytes, uint32_t code);

inline void flip(std::span<uint8_t> bytes, uint64_t bit) {
  bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ 1u << bit % 8);
}

// Tries each bit of `bytes` until is_right() accepts them as they then are; false: they are as they were. For headers,
// which are short.
template <class IsRight>
bool repair_by_trying(std::span<uint8_t> bytes, IsRight&& is_right) {
  for (uint64_t bit = 0; bit < 8 * bytes.size(); bit++) {
    flip(bytes, bit);
    if (is_right()) return true;
    flip(bytes, bit);
  }
  return false;
}

}  // namespace gatetape
