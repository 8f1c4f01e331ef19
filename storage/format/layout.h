// Layouts of the store's fixed structures, each written once: a function layout(fields, structure) names the fields in
// their order on disk, and serves writing with a FieldWriter and reading with a FieldReader. FORMAT.md has the tables.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "storage/format/byte_order.h"

namespace gatetape {

// Appends fields to a sink.
class FieldWriter {
 public:
  explicit FieldWriter(ByteSink& out) : out_(out) {}

  template <class T>
  void operator()(const T& value) {
    out_.put(value);
  }
  template <size_t n>
  void operator()(const std::array<uint8_t, n>& bytes) {
    out_.bytes(bytes);
  }
  void magic(const char (&text)[9]) { out_.bytes(text, 8); }
  void reserved(size_t bytes) { out_.zeros(bytes); }
  template <class T>
  void varint(const T& value) {
    out_.varint(static_cast<uint64_t>(value));
  }
  void big_endian(const uint16_t& value) { out_.put(__builtin_bswap16(value)); }
  void bytes(const uint8_t* at, size_t n) { out_.bytes(at, n); }

 private:
  ByteSink& out_;
};

// Takes fields from a source. The source's ok() and right() say whether all of it could be.
class FieldReader {
 public:
  explicit FieldReader(ByteSource& in) : in_(in) {}

  // Every magic was the one expected.
  bool right() const { return right_; }

  template <class T>
  void operator()(T& value) {
    value = in_.get<T>();
  }
  template <size_t n>
  void operator()(std::array<uint8_t, n>& bytes) {
    in_.bytes(bytes.data(), n);
  }
  void magic(const char (&text)[9]) {
    const auto bytes = in_.view(8);
    right_ = right_ && bytes.size() == 8 && std::memcmp(bytes.data(), text, 8) == 0;
  }
  void reserved(size_t bytes) { in_.view(bytes); }
  template <class T>
  void varint(T& value) {
    value = static_cast<T>(in_.varint());
  }
  void big_endian(uint16_t& value) { value = __builtin_bswap16(in_.get<uint16_t>()); }
  void bytes(uint8_t* at, size_t n) { in_.bytes(at, n); }

 private:
  ByteSource& in_;
  bool right_ = true;
};

}  // namespace gatetape
