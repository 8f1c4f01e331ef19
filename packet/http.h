// An HTTP transaction as the parsers produce it and rules, records and the store read it. HTTP/1 and HTTP/2 fill the
// same structure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "packet/flow_key.h"

namespace gatetape {

struct HttpField {
  std::string_view name;   // as sent
  std::string_view value;  // leading and trailing white space removed; folded lines as sent
};

// The head of a request or a response. All views point into `bytes`, which is recycled from transaction to transaction.
struct HttpHead {
  bool complete = false;  // the blank line after the fields was seen
  std::string bytes;      // as received, from the start line to the blank line, at most the parser's head limit
  std::string_view start_line;
  std::string_view raw_fields;  // all field lines with their line ends, without the blank line
  std::vector<HttpField> fields;
  // Request: method, uri, protocol. Response: protocol, status_text, reason.
  std::string_view method;
  std::string_view uri;  // the request target as sent
  std::string_view protocol;
  std::string_view status_text;
  std::string_view reason;

  // The first field of that name, compared without case (RFC 9110 section 5.1); nullptr when there is none.
  const HttpField* find(std::string_view name) const;
  void clear();
};

enum HttpAnomaly : uint32_t {
  kHttpHeadTooLarge = 1u << 0,
  kHttpBadStartLine = 1u << 1,
  kHttpBadFieldLine = 1u << 2,
  kHttpBadChunk = 1u << 3,
  kHttpBadContentLength = 1u << 4,  // not a number, or several that differ
  kHttpLengthAndChunked = 1u << 5,  // Content-Length beside Transfer-Encoding (RFC 9112 section 6.3)
  kHttpGap = 1u << 6,               // bytes of this transaction were lost before the sensor
  kHttpResponseWithoutRequest = 1u << 7,
  kHttpTruncated = 1u << 8,  // the connection ended inside the transaction
};

struct HttpTransaction {
  uint64_t id = 0;  // within its flow, from 0
  HttpHead request;
  HttpHead response;
  std::string normalised_uri;   // percent-decoded path, dot segments resolved, as rules see it in http.uri
  std::string normalised_host;  // lower case, without port; from the request target if absolute, else from Host
  uint16_t status = 0;          // 0: none seen
  bool request_complete = false;
  bool response_complete = false;
  uint32_t anomalies = 0;            // HttpAnomaly
  uint64_t body_length[2] = {0, 0};  // by Direction: entity bytes after the transfer coding was removed
  int64_t request_timestamp_ns = 0;  // packet that completed the request head
  int64_t response_timestamp_ns = 0;
  uint64_t request_ordinal = 0;
  uint64_t response_ordinal = 0;
  // Set by a sink that needs it beyond its end: the parser then leaves it to the sink to give it back to its pool.
  bool kept = false;

  bool complete() const { return request_complete && response_complete; }
  void clear();
};

}  // namespace gatetape
