// Little-endian reading and writing of the store's files. ByteSource is bounds-checked: what is read may be damaged or
// hostile. (common/byte_reader.h is the same for network byte order.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace gatetape {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the store's integers are copied as they are in memory");

inline uint64_t zigzag(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
}
inline int64_t unzigzag(uint64_t v) {
  return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
}

// Bytes being written, in a buffer that keeps its memory from use to use.
class ByteSink {
 public:
  void clear() { size_ = 0; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool has_memory() const { return !buffer_.empty(); }
  const uint8_t* data() const { return buffer_.data(); }
  uint8_t* data() { return buffer_.data(); }
  std::span<const uint8_t> bytes() const { return {buffer_.data(), size_}; }

  // Room for n more bytes at the end; commit() says how many were used.
  uint8_t* reserve(size_t n) {
    if (size_ + n > buffer_.size()) buffer_.resize(2 * (size_ + n));
    return buffer_.data() + size_;
  }
  void commit(size_t n) { size_ += n; }

  template <class T>
  void put(T value) {
    static_assert(std::is_integral_v<T> || std::is_enum_v<T>);
    std::memcpy(reserve(sizeof value), &value, sizeof value);
    size_ += sizeof value;
  }
  void bytes(const void* data, size_t n) {
    if (n != 0) std::memcpy(reserve(n), data, n);
    size_ += n;
  }
  void bytes(std::span<const uint8_t> data) { bytes(data.data(), data.size()); }
  void zeros(size_t n) {
    std::memset(reserve(n), 0, n);
    size_ += n;
  }
  void varint(uint64_t value) {
    uint8_t* out = reserve(10);
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) out[n++] = static_cast<uint8_t>(value | 0x80);
    out[n++] = static_cast<uint8_t>(value);
    size_ += n;
  }
  void signed_varint(int64_t value) { varint(zigzag(value)); }

 private:
  std::vector<uint8_t> buffer_;
  size_t size_ = 0;
};

// A read past the end, or of a varint longer than 64 bits, returns zero and makes ok() false for good.
class ByteSource {
 public:
  ByteSource() = default;
  explicit ByteSource(std::span<const uint8_t> bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool at_end() const { return at_ == end_; }

  template <class T>
  T get() {
    T value{};
    if (take(sizeof value)) std::memcpy(&value, at_ - sizeof value, sizeof value);
    return value;
  }
  void bytes(void* out, size_t n) {
    if (take(n) && n != 0) std::memcpy(out, at_ - n, n);
  }
  std::span<const uint8_t> view(size_t n) {
    return take(n) ? std::span<const uint8_t>(at_ - n, n) : std::span<const uint8_t>();
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const uint8_t byte = *at_++;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }
  int64_t signed_varint() { return unzigzag(varint()); }

 private:
  bool take(size_t n) {
    if (n > remaining()) {
      fail();
      return false;
    }
    at_ += n;
    return true;
  }
  void fail() {
    ok_ = false;
    at_ = end_;
  }

  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  bool ok_ = true;
};

}  // namespace gatetape
