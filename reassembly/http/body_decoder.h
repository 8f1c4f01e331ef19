// Content codings removed (RFC 9110 section 8.4): gzip and deflate, incrementally, bounded.
//
// For use between a parser and the reader of decoded bodies. Bounded: the output of one piece of input, of one
// body, and its ratio to the input, so that a zip bomb costs what its limit says and is reported. Malformed input ends
// decoding: what was decoded before stays. One thread per decoder; zlib's state (about 40 KiB) is allocated with the
// first encoded body and kept for the next.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace gatetape {

struct HttpHead;  // reassembly/http/http_transaction.h

enum class ContentCoding : uint8_t { kIdentity, kGzip, kDeflate, kUnsupported };
// From the Content-Encoding fields of a head; kUnsupported for codings that are not decoded and for more than one.
ContentCoding content_coding(const HttpHead& head);

enum class BodyDecodeStatus : uint8_t {
  kOk,
  kEnd,        // the coded body is complete; what follows is ignored
  kMalformed,  // not what the coding says; decoding has stopped
  kBomb,       // a limit was passed; decoding has stopped
};

struct BodyDecoderLimits {
  uint32_t output_piece_bytes = 32u << 10;
  uint64_t output_bytes_max = 16u << 20;  // per body
  uint32_t ratio_max = 1032;              // deflate cannot do more; a smaller one stops bombs sooner
  uint32_t ratio_free_bytes = 1u << 20;   // output for which no ratio is asked
};

struct BodyDecoderCounters {
  uint64_t bodies = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  uint64_t malformed = 0;
  uint64_t bombs = 0;

  BodyDecoderCounters& operator+=(const BodyDecoderCounters& other);
};

class BodyDecoder {
 public:
  explicit BodyDecoder(const BodyDecoderLimits& limits = {});
  ~BodyDecoder();
  BodyDecoder(BodyDecoder&&) noexcept;
  BodyDecoder& operator=(BodyDecoder&&) noexcept;

  // Begins a body, whether the last one had ended or not.
  void begin(ContentCoding coding);
  // Decodes the next bytes and calls emit(std::span<const uint8_t>) for each piece of output; views live during the
  // call. kIdentity and kUnsupported pass through as they are.
  template <class Emit>
  BodyDecodeStatus decode(std::span<const uint8_t> bytes, Emit&& emit) {
    if (coding_ == ContentCoding::kIdentity || coding_ == ContentCoding::kUnsupported) {
      if (!bytes.empty()) emit(bytes);
      return BodyDecodeStatus::kOk;
    }
    feed(bytes);
    for (std::span<const uint8_t> piece = next_piece(); !piece.empty(); piece = next_piece()) emit(piece);
    return status_;
  }
  // Bytes of the body are missing: what follows cannot be decoded.
  void gap();
  BodyDecodeStatus status() const { return status_; }
  const BodyDecoderCounters& counters() const { return counters_; }
  // Returns the counts since the last call.
  BodyDecoderCounters take_counters() { return std::exchange(counters_, {}); }

 private:
  struct Inflate;
  void feed(std::span<const uint8_t> bytes);
  std::span<const uint8_t> next_piece();
  std::span<const uint8_t> inflate_from(std::span<const uint8_t> from);
  void begin_next_member();
  void stop(BodyDecodeStatus status);

  BodyDecoderLimits limits_;
  BodyDecoderCounters counters_;
  ContentCoding coding_ = ContentCoding::kIdentity;
  BodyDecodeStatus status_ = BodyDecodeStatus::kOk;
  std::unique_ptr<Inflate> inflate_;
  std::span<const uint8_t> input_;  // the bytes of this call that are not decoded yet
  bool header_waits_ = false;       // a deflate body's first two bytes are still to be decoded
  bool output_full_ = false;        // zlib may hold more than it could give
  uint64_t body_in_ = 0, body_out_ = 0;
};

}  // namespace gatetape
