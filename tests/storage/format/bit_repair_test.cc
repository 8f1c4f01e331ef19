#include "storage/format/bit_repair.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

using namespace gatetape;

TEST_CASE("the repair code is CRC-32C", "[store][repair]") {
  const auto code = [](const std::string& text) {
    return repair_code({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  CHECK(code("") == 0);
  CHECK(code("123456789") == 0xe3069283);            // the check value of CRC catalogues
  CHECK(code(std::string(32, '\0')) == 0x8a9136aa);  // RFC 3720, B.4
  CHECK(code(std::string(32, '\xff')) == 0x62a8ab43);
}

TEST_CASE("a flipped bit is found in bytes of any length", "[store][repair]") {
  std::mt19937 random(7);
  for (const size_t size : {1, 2, 7, 8, 9, 63, 1000, 300'000}) {
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const uint32_t code = repair_code(bytes);
    CHECK(!flipped_bit(bytes, code));
    for (int i = 0; i < 20; i++) {
      const uint64_t bit = i == 0 ? 0 : i == 1 ? 8 * size - 1 : random() % (8 * size);
      flip(bytes, bit);
      CHECK(flipped_bit(bytes, code) == bit);
      flip(bytes, bit);
    }
  }
}

TEST_CASE("bits are tried one by one, and left alone where none is right", "[store][repair]") {
  std::vector<uint8_t> bytes{1, 2, 3};
  const std::vector<uint8_t> right{1, 2, 3 ^ 0x40};
  CHECK(repair_by_trying(bytes, [&] { return bytes == right; }));
  CHECK(bytes == right);
  CHECK_FALSE(repair_by_trying(bytes, [] { return false; }));
  CHECK(bytes == right);
}
