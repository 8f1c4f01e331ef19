#include "storage/format/bit_repair.h"

#include <array>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace gatetape {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, the lowest bit first

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); i++) {
    uint32_t code = i;
    for (int bit = 0; bit < 8; bit++) code = code >> 1 ^ ((code & 1) != 0 ? kPolynomial : 0);
    table[i] = code;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

constexpr uint32_t behind_a_byte(uint32_t code, uint8_t byte) {
  return code >> 8 ^ kTable[(code ^ byte) & 0xff];
}

}  // namespace

uint32_t repair_code(std::span<const uint8_t> bytes) {
  uint32_t code = ~uint32_t{0};
  size_t at = 0;
#if defined(__SSE4_2__)
  uint64_t wide = code;
  for (; at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  code = static_cast<uint32_t>(wide);
#endif
  for (; at < bytes.size(); at++) code = behind_a_byte(code, bytes[at]);
  return ~code;
}

// A flip's difference depends on how many bytes follow it, and on nothing else.
std::optional<uint64_t> flipped_bit(std::span<const uint8_t> bytes, uint32_t code) {
  const uint32_t difference = repair_code(bytes) ^ code;
  if (difference == 0) return std::nullopt;
  std::array<uint32_t, 8> of_bit;
  for (uint32_t bit = 0; bit < of_bit.size(); bit++) of_bit[bit] = behind_a_byte(0, static_cast<uint8_t>(1u << bit));
  for (size_t byte = bytes.size(); byte-- > 0;) {
    for (uint32_t bit = 0; bit < of_bit.size(); bit++) {
      if (of_bit[bit] == difference) return 8 * uint64_t{byte} + bit;
      of_bit[bit] = behind_a_byte(of_bit[bit], 0);
    }
  }
  return std::nullopt;
}

}  // namespace gatetape
