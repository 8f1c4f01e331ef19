// ByteReader reads untrusted bytes in network byte order and checks every bound. Parsers of traffic read through it, or
// through memchr and the like over an explicit length, so that they never trust a length found in a packet.
//
// A read past the end returns zero and makes ok() false for good, so that a parser reads a whole header and asks once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gatetape {

class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  explicit ByteReader(std::span<const uint8_t> bytes) : ByteReader(bytes.data(), bytes.size()) {}

  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t remaining() const { return size_ - position_; }
  const uint8_t* current() const { return data_ + position_; }

  uint8_t u8() { return take(1) ? data_[position_ - 1] : 0; }
  uint16_t u16() {
    uint16_t v = 0;
    if (take(2)) std::memcpy(&v, data_ + position_ - 2, 2);
    return __builtin_bswap16(v);
  }
  uint32_t u32() {
    uint32_t v = 0;
    if (take(4)) std::memcpy(&v, data_ + position_ - 4, 4);
    return __builtin_bswap32(v);
  }
  // Copies n bytes to `out`. Leaves `out` untouched when fewer than n remain.
  void bytes(void* out, size_t n) {
    if (take(n)) std::memcpy(out, data_ + position_ - n, n);
  }
  // Returns a view of the next n bytes, or an empty one when fewer than n remain.
  std::span<const uint8_t> view(size_t n) {
    return take(n) ? std::span<const uint8_t>(data_ + position_ - n, n) : std::span<const uint8_t>();
  }
  void skip(size_t n) { take(n); }

 private:
  bool take(size_t n) {
    if (n > size_ - position_) {
      ok_ = false;
      position_ = size_;
      return false;
    }
    position_ += n;
    return ok_;
  }

  const uint8_t* data_;
  size_t size_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace gatetape
