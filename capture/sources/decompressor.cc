#include "capture/sources/decompressor.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "common/check.h"

namespace gatetape {
namespace {

bool begins_with(std::span<const uint8_t> bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

class Gzip final : public Decompressor {
 public:
  Gzip() : Decompressor("gzip") {
    constexpr int kGzipOnly = 16;
    GT_CHECK(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK);
  }
  ~Gzip() override { inflateEnd(&stream_); }

  Result<Step> step(std::span<const uint8_t> in, std::span<uint8_t> out) override {
    size_t padding = 0;
    if (complete_) {
      // Zeros may fill up the last block of a tape; anything else is the next member.
      while (padding < in.size() && in[padding] == 0) ++padding;
      if (padding == in.size()) return Step{padding, 0};
      GT_CHECK(inflateReset(&stream_) == Z_OK);
      complete_ = false;
    }
    stream_.next_in = const_cast<uint8_t*>(in.data() + padding);
    stream_.avail_in = static_cast<uInt>(in.size() - padding);
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      return fail("the gzip data is damaged{}{}", stream_.msg == nullptr ? "" : ": ",
                  stream_.msg == nullptr ? "" : stream_.msg);
    }
    complete_ = status == Z_STREAM_END;
    return Step{in.size() - stream_.avail_in, out.size() - stream_.avail_out};
  }

 private:
  z_stream stream_{};
};

class Zstd final : public Decompressor {
 public:
  Zstd() : Decompressor("zstd"), context_(ZSTD_createDCtx()) { GT_CHECK(context_ != nullptr); }
  ~Zstd() override { ZSTD_freeDCtx(context_); }

  Result<Step> step(std::span<const uint8_t> in, std::span<uint8_t> out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const size_t hint = ZSTD_decompressStream(context_, &to, &from);
    if (ZSTD_isError(hint) != 0) return fail("the zstd data is damaged: {}", ZSTD_getErrorName(hint));
    if (from.pos > 0 || to.pos > 0) complete_ = hint == 0;
    return Step{from.pos, to.pos};
  }

 private:
  ZSTD_DCtx* context_;
};

class Lz4 final : public Decompressor {
 public:
  Lz4() : Decompressor("lz4") { GT_CHECK(LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)) == 0); }
  ~Lz4() override { LZ4F_freeDecompressionContext(context_); }

  Result<Step> step(std::span<const uint8_t> in, std::span<uint8_t> out) override {
    Step step{in.size(), out.size()};
    const size_t hint = LZ4F_decompress(context_, out.data(), &step.produced, in.data(), &step.consumed, nullptr);
    if (LZ4F_isError(hint) != 0) return fail("the lz4 data is damaged: {}", LZ4F_getErrorName(hint));
    if (step.consumed > 0 || step.produced > 0) complete_ = hint == 0;
    return step;
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Decompressor>> Decompressor::of(std::span<const uint8_t> begin) {
  if (begins_with(begin, {0x1f, 0x8b})) return std::make_unique<Gzip>();
  if (begins_with(begin, {0x28, 0xb5, 0x2f, 0xfd})) return std::make_unique<Zstd>();
  if (begins_with(begin, {0x04, 0x22, 0x4d, 0x18})) return std::make_unique<Lz4>();
  const auto other = [](const char* name, const char* tool) {
    return fail("compressed with {0}, which is not read: pipe it in ('{1} -dc FILE | gatetape ... pcap:-')", name,
                tool);
  };
  if (begins_with(begin, {0xfd, '7', 'z', 'X', 'Z', 0})) return other("xz", "xz");
  if (begins_with(begin, {'B', 'Z', 'h'})) return other("bzip2", "bzip2");
  return nullptr;
}

}  // namespace gatetape
