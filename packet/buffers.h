// The sticky buffers: the parts of traffic that a rule can look at. The table kBuffers has one row for each, and it is
// the only place that lists them. The rule language takes keywords from it, the rule engine learns how to scan a
// buffer, and a protocol learns what to supply.
//
// To add a header field of HTTP as a buffer, add a row with its name, directions and field; nothing else changes. To
// add another part of HTTP, add a row and an HttpPart, and build the part where the compiler then misses a case
// (HttpBuffers::build). Either way tests/rules/language/buffers_test.cc fails until it has a rule that fires on the
// buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "packet/flow_key.h"

namespace gatetape {

// A row of kBuffers. buffer_named("http.uri") finds the row of a certain buffer at compile time. The payload belongs to
// no protocol, so it alone has a name here.
enum class Buffer : uint8_t {
  kPayload,  // "pkt_data": a packet's payload, the stream, or a whole message of a transaction
};

// The messages of a transaction in which a buffer occurs.
enum BufferDirections : uint8_t { kInRequest = 1, kInResponse = 2, kInBoth = 3 };

constexpr BufferDirections side_of(Direction direction) {
  return direction == Direction::kToServer ? kInRequest : kInResponse;
}

// The transforms that a rule can apply to a buffer's bytes before it looks at them.
enum class Transform : uint8_t {
  kDotPrefix,           // a dot is put before the buffer
  kToLowercase,         // ASCII letters become lower case
  kStripWhitespace,     // isspace bytes are removed
  kCompressWhitespace,  // runs of isspace bytes become one space
};
inline constexpr std::array<std::string_view, 4> kTransformNames = {"dotprefix", "to_lowercase", "strip_whitespace",
                                                                    "compress_whitespace"};
constexpr std::string_view to_string(Transform transform) {
  return kTransformNames[static_cast<size_t>(transform)];
}

// A set of transforms, a bit for each.
using TransformSet = uint8_t;
inline constexpr TransformSet kNoTransforms = 0;
inline constexpr TransformSet kAllTransforms = (1u << kTransformNames.size()) - 1;
constexpr bool contains(TransformSet set, Transform transform) {
  return (set & (1u << static_cast<unsigned>(transform))) != 0;
}

// The supplier of a buffer.
enum class BufferSource : uint8_t {
  kPackets,  // packets and streams; no protocol is needed
  kHttp,     // transactions of HTTP
};

// The part of an HTTP message that a buffer holds. Only the code that builds HTTP buffers asks for it.
enum class HttpPart : uint8_t {
  kNone,        // the buffer is not HTTP's
  kField,       // the value of the header field that the row names; several such fields are joined by ", "
  kMethod,      // as sent
  kUri,         // normalised
  kUriRaw,      // the request target as sent
  kProtocol,    // "HTTP/1.1"
  kStartLine,   // without its line end
  kFields,      // all header fields, normalised, without cookies
  kFieldsRaw,   // all header fields as sent, and the empty line after them
  kFieldNames,  // the names of all header fields, a line each
  kEachField,   // one instance per header field: "name: value"
  kHead,        // the start line and all header fields, normalised
  kHost,        // normalised: lower case, without port
  kStatusCode,
  kReason,
  kBody,
};

// A row of the table. A member that a row does not mention keeps the value that it has here.
struct BufferInfo {
  std::string_view name = {};      // the keyword that selects the buffer
  std::string_view old_name = {};  // an older keyword that does the same; empty: none
  std::string_view modifier = {};  // the keyword that moves the content before it to this buffer; empty: none
  char pcre_letter = 0;            // the letter behind an expression that selects this buffer; 0: none
  BufferDirections directions = kInBoth;
  BufferSource source = BufferSource::kHttp;
  HttpPart http = HttpPart::kField;
  std::string_view field = {};           // kField: the header field's name in lower case
  std::string_view response_field = {};  // its name in responses where that differs; empty: it does not
  // How much a literal in this buffer helps the pre-filter, 1 at best. It helps less where there is much to scan or
  // where most messages hold the same.
  double scan_weight = 1.0;
  TransformSet transforms = kAllTransforms;  // those that the buffer takes
  bool several = false;                      // a transaction can have several: naming it again asks for another one
  bool body = false;                         // comes after the head, with the body
  bool lower_case = false;                   // holds no upper case: a content that does is an error
  bool dotted = false;  // the pre-filter scans it behind a dot, so that rules with `dotprefix` share the scan
};

namespace buffer_table {

using enum BufferSource;
using enum HttpPart;

inline constexpr BufferInfo kRows[] = {
    {.name = "pkt_data", .source = kPackets, .http = kNone, .scan_weight = 0.4, .transforms = kNoTransforms},

    {.name = "http.method",
     .modifier = "http_method",
     .pcre_letter = 'M',
     .directions = kInRequest,
     .http = kMethod,
     .scan_weight = 0.3},
    {.name = "http.uri", .modifier = "http_uri", .pcre_letter = 'U', .directions = kInRequest, .http = kUri},
    {.name = "http.uri.raw", .modifier = "http_raw_uri", .pcre_letter = 'I', .directions = kInRequest, .http = kUriRaw},
    {.name = "http.protocol", .old_name = "http_protocol", .http = kProtocol, .scan_weight = 0.3},
    {.name = "http.request_line", .old_name = "http_request_line", .directions = kInRequest, .http = kStartLine},
    {.name = "http.response_line", .old_name = "http_response_line", .directions = kInResponse, .http = kStartLine},
    {.name = "http.stat_code",
     .modifier = "http_stat_code",
     .pcre_letter = 'S',
     .directions = kInResponse,
     .http = kStatusCode,
     .scan_weight = 0.3},
    {.name = "http.stat_msg",
     .modifier = "http_stat_msg",
     .pcre_letter = 'Y',
     .directions = kInResponse,
     .http = kReason,
     .scan_weight = 0.3},
    {.name = "http.start", .old_name = "http_start", .http = kHead, .scan_weight = 0.8},

    {.name = "http.header", .modifier = "http_header", .pcre_letter = 'H', .http = kFields, .scan_weight = 0.8},
    {.name = "http.header.raw",
     .modifier = "http_raw_header",
     .pcre_letter = 'D',
     .http = kFieldsRaw,
     .scan_weight = 0.8},
    {.name = "http.header_names", .old_name = "http_header_names", .http = kFieldNames, .scan_weight = 0.3},
    {.name = "http.request_header", .directions = kInRequest, .http = kEachField, .several = true},
    {.name = "http.response_header", .directions = kInResponse, .http = kEachField, .several = true},

    {.name = "http.host",
     .modifier = "http_host",
     .pcre_letter = 'W',
     .directions = kInRequest,
     .http = kHost,
     .lower_case = true,
     .dotted = true},
    {.name = "http.host.raw",
     .modifier = "http_raw_host",
     .pcre_letter = 'Z',
     .directions = kInRequest,
     .field = "host"},
    {.name = "http.user_agent",
     .modifier = "http_user_agent",
     .pcre_letter = 'V',
     .directions = kInRequest,
     .field = "user-agent"},
    {.name = "http.cookie",
     .modifier = "http_cookie",
     .pcre_letter = 'C',
     .field = "cookie",
     .response_field = "set-cookie"},
    {.name = "http.content_type", .old_name = "http_content_type", .field = "content-type", .scan_weight = 0.3},
    {.name = "http.content_len", .old_name = "http_content_len", .field = "content-length", .scan_weight = 0.3},
    {.name = "http.accept", .old_name = "http_accept", .directions = kInRequest, .field = "accept", .scan_weight = 0.3},
    {.name = "http.accept_enc",
     .old_name = "http_accept_enc",
     .directions = kInRequest,
     .field = "accept-encoding",
     .scan_weight = 0.3},
    {.name = "http.accept_lang",
     .old_name = "http_accept_lang",
     .directions = kInRequest,
     .field = "accept-language",
     .scan_weight = 0.3},
    {.name = "http.connection", .old_name = "http_connection", .field = "connection", .scan_weight = 0.3},
    {.name = "http.referer", .old_name = "http_referer", .directions = kInRequest, .field = "referer"},
    {.name = "http.location", .directions = kInResponse, .field = "location"},
    {.name = "http.server", .directions = kInResponse, .field = "server"},

    {.name = "http.request_body",
     .modifier = "http_client_body",
     .pcre_letter = 'P',
     .directions = kInRequest,
     .http = kBody,
     .scan_weight = 0.35,
     .body = true},
    {.name = "http.response_body",
     .modifier = "http_server_body",
     .pcre_letter = 'Q',
     .directions = kInResponse,
     .http = kBody,
     .scan_weight = 0.35,
     .body = true},
    // The body of a response, and the files in a request's.
    {.name = "file.data", .old_name = "file_data", .http = kBody, .scan_weight = 0.35, .several = true, .body = true},
};

// Each row says once what it is made of, and no name occurs twice.
constexpr bool rows_are_sound() {
  for (const BufferInfo& row : kRows) {
    if ((row.source == kHttp) != (row.http != kNone) || row.body != (row.http == kBody)) return false;
    if ((row.http == kField) == row.field.empty() || (row.field.empty() && !row.response_field.empty())) return false;
    for (const BufferInfo& other : kRows) {
      if (&row != &other && row.name == other.name) return false;
    }
  }
  return kRows[static_cast<size_t>(Buffer::kPayload)].source == kPackets;
}
static_assert(rows_are_sound());

}  // namespace buffer_table

inline constexpr auto& kBuffers = buffer_table::kRows;
inline constexpr size_t kBufferCount = std::size(kBuffers);
static_assert(kBufferCount <= UINT8_MAX);

constexpr const BufferInfo& buffer_info(Buffer buffer) {
  return kBuffers[static_cast<size_t>(buffer)];
}
constexpr std::string_view to_string(Buffer buffer) {
  return buffer_info(buffer).name;
}
constexpr BufferDirections buffer_directions(Buffer buffer) {
  return buffer_info(buffer).directions;
}
constexpr bool is_body(Buffer buffer) {
  return buffer_info(buffer).body;
}

// The buffer that a rule selects by this keyword. A name that is not in the table does not compile.
consteval Buffer buffer_named(std::string_view name) {
  for (size_t i = 0; i < kBufferCount; ++i) {
    if (kBuffers[i].name == name) return static_cast<Buffer>(i);
  }
  throw "no sticky buffer has this name";
}

}  // namespace gatetape
