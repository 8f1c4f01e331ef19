// The head of an HTTP/1 message (RFC 9112 sections 2 to 6): where it ends, and what it says.
//
// Pure functions over untrusted bytes, tolerant: whatever the bytes are, the result is some head, and an HttpAnomaly
// for each rule they break. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "reassembly/http/http_transaction.h"

namespace gatetape {

// One past the empty line that ends the head, SIZE_MAX while there is none. `scanned` is where to begin, and set to
// where to go on once more bytes are there.
size_t find_head_end(const char* bytes, size_t size, uint32_t& scanned);

// The facts that a head states about the message behind it.
struct HeadFraming {
  bool has_length = false;
  bool chunked = false;
  bool has_other_coding = false;  // a Transfer-Encoding that does not end in chunked
  uint64_t length = 0;
  uint32_t anomalies = 0;  // HttpAnomaly
};

// Fills the views of `head` from head.bytes, which may be cut anywhere (then head.complete is false before the call).
HeadFraming parse_request_head(HttpHead& head, uint32_t fields_max);
HeadFraming parse_response_head(HttpHead& head, uint32_t fields_max, uint16_t& status);

}  // namespace gatetape
