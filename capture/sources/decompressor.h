// Decompressor undoes gzip, zstd or LZ4 piece by piece. Its memory does not grow with the data: at most 128 MB, and
// that only where zstd was asked for its longest window. It belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/result.h"

namespace gatetape {

class Decompressor {
 public:
  // Bytes of a file's beginning that tell how it is compressed.
  static constexpr size_t kMagicBytes = 6;
  // Returns null when the bytes are not the beginning of compressed data. Fails, naming a way out, when they are of a
  // compression that is not read.
  static Result<std::unique_ptr<Decompressor>> of(std::span<const uint8_t> begin);
  virtual ~Decompressor() = default;

  struct Step {
    size_t consumed = 0, produced = 0;
  };
  // Takes bytes of `in` and writes to `out`. When it has filled `out`, more may come without further input. Fails when
  // the data is damaged; the error does not name the file.
  virtual Result<Step> step(std::span<const uint8_t> in, std::span<uint8_t> out) = 0;

  // Whether the data may end here. Compressed files that were put together follow each other.
  bool complete() const { return complete_; }
  const char* name() const { return name_; }  // "gzip"

 protected:
  explicit Decompressor(const char* name) : name_(name) {}
  bool complete_ = false;

 private:
  const char* name_;
};

}  // namespace gatetape
