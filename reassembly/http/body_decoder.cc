#include "reassembly/http/body_decoder.h"

#include <strings.h>
#include <zlib.h>

#include <algorithm>

#include "common/check.h"

#include "reassembly/http/http_transaction.h"

namespace gatetape {
namespace {

constexpr int kWindowBits = 15, kGzip = 16;  // zlib's numbers for inflateInit2
constexpr uint8_t kGzipMagic = 0x1f;

bool equals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// "deflate" should be a zlib stream (RFC 9110 section 8.4.1.2), but some send the raw one: the header's check tells.
bool has_zlib_header(uint8_t first, uint8_t second) {
  constexpr int kDeflateMethod = 8;
  return (first & 0x0f) == kDeflateMethod && (first << 8 | second) % 31 == 0;
}

}  // namespace

ContentCoding content_coding(const HttpHead& head) {
  const HttpField* field = head.find("Content-Encoding");
  if (field == nullptr || field->value.empty() || equals(field->value, "identity")) return ContentCoding::kIdentity;
  for (const HttpField& other : head.fields) {
    if (&other != field && equals(other.name, field->name)) return ContentCoding::kUnsupported;
  }
  if (equals(field->value, "gzip") || equals(field->value, "x-gzip")) return ContentCoding::kGzip;
  return equals(field->value, "deflate") ? ContentCoding::kDeflate : ContentCoding::kUnsupported;
}

struct BodyDecoder::Inflate {
  explicit Inflate(uint32_t piece_bytes) : output(piece_bytes) {
    GT_CHECK(inflateInit2(&stream, kWindowBits + kGzip) == Z_OK);
  }
  ~Inflate() { inflateEnd(&stream); }
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;

  z_stream stream{};
  std::vector<uint8_t> output;
  uint8_t header[2] = {0, 0};  // the first two bytes of a deflate body tell its kind
  uint32_t header_length = 0;
};

BodyDecoderCounters& BodyDecoderCounters::operator+=(const BodyDecoderCounters& other) {
  const auto& [their_bodies, their_bytes_in, their_bytes_out, their_malformed, their_bombs] = other;
  bodies += their_bodies;
  bytes_in += their_bytes_in;
  bytes_out += their_bytes_out;
  malformed += their_malformed;
  bombs += their_bombs;
  return *this;
}

BodyDecoder::BodyDecoder(const BodyDecoderLimits& limits) : limits_(limits) {}
BodyDecoder::~BodyDecoder() = default;
BodyDecoder::BodyDecoder(BodyDecoder&&) noexcept = default;
BodyDecoder& BodyDecoder::operator=(BodyDecoder&&) noexcept = default;

void BodyDecoder::begin(ContentCoding coding) {
  coding_ = coding;
  status_ = BodyDecodeStatus::kOk;
  body_in_ = body_out_ = 0;
  if (coding == ContentCoding::kIdentity || coding == ContentCoding::kUnsupported) return;
  ++counters_.bodies;
  if (!inflate_) inflate_ = std::make_unique<Inflate>(limits_.output_piece_bytes);
  inflate_->header_length = 0;
  inflateReset2(&inflate_->stream, kWindowBits + kGzip);
}

void BodyDecoder::feed(std::span<const uint8_t> bytes) {
  body_in_ += bytes.size();
  counters_.bytes_in += bytes.size();
  input_ = bytes;
  if (status_ == BodyDecodeStatus::kEnd) begin_next_member();
  if (coding_ != ContentCoding::kDeflate) return;
  Inflate& inflate = *inflate_;
  if (inflate.header_length == 2) return;
  while (inflate.header_length < 2 && !input_.empty()) {
    inflate.header[inflate.header_length++] = input_.front();
    input_ = input_.subspan(1);
  }
  if (inflate.header_length < 2) return;
  inflateReset2(&inflate.stream, has_zlib_header(inflate.header[0], inflate.header[1]) ? kWindowBits : -kWindowBits);
  header_waits_ = true;
}

std::span<const uint8_t> BodyDecoder::next_piece() {
  Inflate& inflate = *inflate_;
  while (status_ == BodyDecodeStatus::kOk && (header_waits_ || output_full_ || !input_.empty())) {
    const std::span<const uint8_t> from = header_waits_ ? std::span<const uint8_t>(inflate.header) : input_;
    const std::span<const uint8_t> piece = inflate_from(from);
    if (!piece.empty()) return piece;
  }
  output_full_ = false;
  input_ = {};
  return {};
}

// One call of zlib.
std::span<const uint8_t> BodyDecoder::inflate_from(std::span<const uint8_t> from) {
  Inflate& inflate = *inflate_;
  z_stream& stream = inflate.stream;
  stream.next_in = const_cast<uint8_t*>(from.data());  // zlib's type is not const, but it does not write
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = inflate.output.data();
  stream.avail_out = static_cast<uInt>(inflate.output.size());
  const int result = ::inflate(&stream, Z_NO_FLUSH);
  const size_t produced = inflate.output.size() - stream.avail_out;
  output_full_ = stream.avail_out == 0;
  if (header_waits_) {
    // Two bytes cannot fill the output.
    header_waits_ = false;
  } else {
    input_ = input_.last(stream.avail_in);
  }
  stream.next_in = nullptr;
  stream.avail_in = 0;
  body_out_ += produced;
  counters_.bytes_out += produced;
  if (result == Z_STREAM_END) {
    output_full_ = false;
    status_ = BodyDecodeStatus::kEnd;
    begin_next_member();
  } else if (result != Z_OK && result != Z_BUF_ERROR) {
    stop(BodyDecodeStatus::kMalformed);
  }
  const bool too_dense = body_out_ > limits_.ratio_free_bytes && body_out_ / limits_.ratio_max > body_in_;
  if (body_out_ > limits_.output_bytes_max || too_dense) stop(BodyDecodeStatus::kBomb);
  return {inflate.output.data(), produced};
}

// A gzip body may be several members, one behind the other (RFC 1952 section 2.2).
void BodyDecoder::begin_next_member() {
  if (coding_ != ContentCoding::kGzip || input_.empty() || input_.front() != kGzipMagic) return;
  inflateReset(&inflate_->stream);
  status_ = BodyDecodeStatus::kOk;
}

void BodyDecoder::gap() {
  if (coding_ == ContentCoding::kGzip || coding_ == ContentCoding::kDeflate) stop(BodyDecodeStatus::kMalformed);
}

void BodyDecoder::stop(BodyDecodeStatus status) {
  if (status_ != BodyDecodeStatus::kOk && status_ != BodyDecodeStatus::kEnd) return;
  status_ = status;
  ++(status == BodyDecodeStatus::kBomb ? counters_.bombs : counters_.malformed);
}

}  // namespace gatetape
