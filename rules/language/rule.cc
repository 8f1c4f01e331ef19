#include "rules/language/rule.h"

namespace gatetape {
namespace {

struct BufferInfo {
  Buffer buffer;
  std::string_view name;
  BufferDirections directions;
};

constexpr BufferInfo kBuffers[] = {
    {Buffer::kPayload, "pkt_data", kInBoth},
    {Buffer::kHttpMethod, "http.method", kInRequest},
    {Buffer::kHttpUri, "http.uri", kInRequest},
    {Buffer::kHttpUriRaw, "http.uri.raw", kInRequest},
    {Buffer::kHttpProtocol, "http.protocol", kInBoth},
    {Buffer::kHttpRequestLine, "http.request_line", kInRequest},
    {Buffer::kHttpResponseLine, "http.response_line", kInResponse},
    {Buffer::kHttpHeader, "http.header", kInBoth},
    {Buffer::kHttpHeaderRaw, "http.header.raw", kInBoth},
    {Buffer::kHttpHeaderNames, "http.header_names", kInBoth},
    {Buffer::kHttpRequestHeader, "http.request_header", kInRequest},
    {Buffer::kHttpResponseHeader, "http.response_header", kInResponse},
    {Buffer::kHttpHost, "http.host", kInRequest},
    {Buffer::kHttpHostRaw, "http.host.raw", kInRequest},
    {Buffer::kHttpUserAgent, "http.user_agent", kInRequest},
    {Buffer::kHttpCookie, "http.cookie", kInBoth},
    {Buffer::kHttpContentType, "http.content_type", kInBoth},
    {Buffer::kHttpContentLen, "http.content_len", kInBoth},
    {Buffer::kHttpAccept, "http.accept", kInRequest},
    {Buffer::kHttpAcceptEnc, "http.accept_enc", kInRequest},
    {Buffer::kHttpAcceptLang, "http.accept_lang", kInRequest},
    {Buffer::kHttpConnection, "http.connection", kInBoth},
    {Buffer::kHttpReferer, "http.referer", kInRequest},
    {Buffer::kHttpLocation, "http.location", kInResponse},
    {Buffer::kHttpServer, "http.server", kInResponse},
    {Buffer::kHttpStart, "http.start", kInBoth},
    {Buffer::kHttpRequestBody, "http.request_body", kInRequest},
    {Buffer::kHttpResponseBody, "http.response_body", kInResponse},
    {Buffer::kHttpStatCode, "http.stat_code", kInResponse},
    {Buffer::kHttpStatMsg, "http.stat_msg", kInResponse},
    {Buffer::kFileData, "file.data", kInBoth},
};

constexpr bool in_order() {
  for (size_t i = 0; i < kBufferCount; ++i) {
    if (static_cast<size_t>(kBuffers[i].buffer) != i) return false;
  }
  return true;
}
static_assert(std::size(kBuffers) == kBufferCount && in_order());

}  // namespace

std::string_view to_string(Buffer buffer) {
  return kBuffers[static_cast<size_t>(buffer)].name;
}

BufferDirections buffer_directions(Buffer buffer) {
  return kBuffers[static_cast<size_t>(buffer)].directions;
}

std::string_view to_string(Transform transform) {
  switch (transform) {
    case Transform::kDotPrefix:
      return "dotprefix";
    case Transform::kToLowercase:
      return "to_lowercase";
    case Transform::kStripWhitespace:
      return "strip_whitespace";
    case Transform::kCompressWhitespace:
      return "compress_whitespace";
  }
  return "";
}

}  // namespace gatetape
