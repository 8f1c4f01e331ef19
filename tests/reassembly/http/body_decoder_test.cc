// Content codings, in any pieces, against zlib's own compressor.
#include "reassembly/http/body_decoder.h"

#include <zlib.h>
#include <catch2/catch.hpp>
#include <random>
#include <string>

using namespace gatetape;

namespace {

// window_bits as zlib's deflateInit2 has them: 15 zlib, 31 gzip, -15 raw.
std::string compressed(const std::string& text, int window_bits) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string decoded(BodyDecoder& decoder, ContentCoding coding, const std::string& body, size_t piece) {
  std::string out;
  decoder.begin(coding);
  for (size_t at = 0; at < body.size(); at += piece) {
    const size_t length = std::min(piece, body.size() - at);
    decoder.decode({reinterpret_cast<const uint8_t*>(body.data()) + at, length},
                   [&](std::span<const uint8_t> bytes) { out.append(bytes.begin(), bytes.end()); });
  }
  return out;
}

std::string some_text(size_t size) {
  std::mt19937 random(7);
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 20);
  return text;
}

}  // namespace

TEST_CASE("content codings are removed, in any pieces", "[body]") {
  BodyDecoderLimits limits;
  limits.output_piece_bytes = 1000;
  BodyDecoder decoder(limits);
  const std::string text = some_text(20'000);
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{1460}, SIZE_MAX / 2}) {
    INFO("pieces of " << piece);
    REQUIRE(decoded(decoder, ContentCoding::kGzip, compressed(text, 31), piece) == text);
    REQUIRE(decoder.status() == BodyDecodeStatus::kEnd);
    REQUIRE(decoded(decoder, ContentCoding::kDeflate, compressed(text, 15), piece) == text);
    REQUIRE(decoder.status() == BodyDecodeStatus::kEnd);
    REQUIRE(decoded(decoder, ContentCoding::kDeflate, compressed(text, -15), piece) == text);
    REQUIRE(decoder.status() == BodyDecodeStatus::kEnd);
    REQUIRE(decoded(decoder, ContentCoding::kIdentity, text, piece) == text);
    REQUIRE(decoded(decoder, ContentCoding::kGzip, compressed("ab", 31) + compressed("cd", 31) + "junk", piece) ==
            "abcd");
  }
  REQUIRE(decoder.counters().malformed == 0);
}

TEST_CASE("malformed bodies keep what was decoded before", "[body]") {
  BodyDecoder decoder;
  const std::string text = some_text(50'000);
  std::string body = compressed(text, 31);
  body[body.size() - 6] ^= 1;  // a byte of the checksum
  REQUIRE(decoded(decoder, ContentCoding::kGzip, body, 1000) == text);
  REQUIRE(decoder.status() == BodyDecodeStatus::kMalformed);
  REQUIRE(decoder.counters().malformed == 1);
  REQUIRE(decoded(decoder, ContentCoding::kGzip, "not gzip at all", 100).empty());
  REQUIRE(decoded(decoder, ContentCoding::kGzip, compressed(text, 31), 100) == text);
  decoder.gap();
  REQUIRE(decoder.status() == BodyDecodeStatus::kMalformed);
}

TEST_CASE("a zip bomb costs what its limit says", "[body]") {
  BodyDecoderLimits limits;
  limits.output_bytes_max = 1u << 20;
  BodyDecoder decoder(limits);
  const std::string bomb = compressed(std::string(50u << 20, '\0'), 31);
  const std::string out = decoded(decoder, ContentCoding::kGzip, bomb, SIZE_MAX / 2);
  REQUIRE(decoder.status() == BodyDecodeStatus::kBomb);
  REQUIRE(out.size() <= limits.output_bytes_max + limits.output_piece_bytes);
  REQUIRE(decoder.counters().bombs == 1);

  limits = {};
  limits.ratio_max = 100;
  BodyDecoder strict(limits);
  REQUIRE(decoded(strict, ContentCoding::kGzip, bomb, 1000).size() < 2u << 20);
  REQUIRE(strict.status() == BodyDecodeStatus::kBomb);
}

TEST_CASE("codings by their field", "[body]") {
  HttpHead head;
  REQUIRE(content_coding(head) == ContentCoding::kIdentity);
  head.fields = {{"content-encoding", "GZip"}};
  REQUIRE(content_coding(head) == ContentCoding::kGzip);
  head.fields = {{"Content-Encoding", "deflate"}};
  REQUIRE(content_coding(head) == ContentCoding::kDeflate);
  head.fields = {{"Content-Encoding", "br"}};
  REQUIRE(content_coding(head) == ContentCoding::kUnsupported);
  head.fields = {{"Content-Encoding", "gzip"}, {"Content-Encoding", "gzip"}};
  REQUIRE(content_coding(head) == ContentCoding::kUnsupported);
}
