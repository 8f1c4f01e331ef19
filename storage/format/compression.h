// zstd, one context per owner, and the decision what is worth compressing. Decompression never trusts a stated size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/format/byte_order.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace gatetape {

class Compressor {
 public:
  explicit Compressor(int level);  // zstd's level
  // Appends the compressed bytes to `out` and returns true, or leaves `out` alone when that would not save anything.
  bool compress(std::span<const uint8_t> in, ByteSink& out);
  // Whether a few samples of `in` compress at all: encrypted and already compressed payload is not tried as a whole.
  bool worthwhile(std::span<const uint8_t> in);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<uint8_t> scratch_;
};

class Decompressor {
 public:
  Decompressor();
  // Fills `out` exactly; false when `in` is damaged or has another size.
  bool decompress(std::span<const uint8_t> in, std::span<uint8_t> out);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace gatetape
