#include "storage/format/compression.h"

#include <zstd.h>

#include <algorithm>

#include "common/check.h"

namespace gatetape {

void Compressor::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}
void Decompressor::Free::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

Compressor::Compressor(int level) : context_(ZSTD_createCCtx()) {
  GT_CHECK(context_ != nullptr);
  GT_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level)) == 0);
}

bool Compressor::compress(std::span<const uint8_t> in, ByteSink& out) {
  if (in.size() < 32) return false;
  uint8_t* to = out.reserve(ZSTD_compressBound(in.size()));
  const size_t n = ZSTD_compress2(context_.get(), to, ZSTD_compressBound(in.size()), in.data(), in.size());
  if (ZSTD_isError(n) != 0 || n + n / 64 >= in.size()) return false;
  out.commit(n);
  return true;
}

bool Compressor::worthwhile(std::span<const uint8_t> in) {
  constexpr size_t kSampleBytes = 4096, kSamples = 4;
  if (in.size() < 4 * kSamples * kSampleBytes) return true;
  scratch_.resize(ZSTD_compressBound(kSampleBytes));
  for (size_t i = 0; i < kSamples; i++) {
    const size_t at = (in.size() - kSampleBytes) / (kSamples - 1) * i;
    const size_t n = ZSTD_compress2(context_.get(), scratch_.data(), scratch_.size(), in.data() + at, kSampleBytes);
    if (ZSTD_isError(n) == 0 && n < kSampleBytes * 31 / 32) return true;
  }
  return false;
}

Decompressor::Decompressor() : context_(ZSTD_createDCtx()) {
  GT_CHECK(context_ != nullptr);
}

bool Decompressor::decompress(std::span<const uint8_t> in, std::span<uint8_t> out) {
  return ZSTD_decompressDCtx(context_.get(), out.data(), out.size(), in.data(), in.size()) == out.size();
}

}  // namespace gatetape
