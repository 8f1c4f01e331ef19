// Which protocol a TCP connection speaks, from the first bytes of each direction. Cheap, and decided once: by the first
// direction that says something certain, or as kOther when both have said enough and nothing is known of it.
//
// Pure functions over untrusted bytes; any thread.
#pragma once

#include <cstdint>
#include <span>

#include "common/flow_key.h"
#include "common/records.h"

namespace gatetape {

// "GET /path HTTP/1.1", or as much of it as there is: a method of token characters, a space, and a target; if the line
// is complete, it ends with an HTTP version. `enough` is false when more bytes could still change the answer.
bool looks_like_http_request(std::span<const uint8_t> bytes, bool& enough);
// "HTTP/1." and a status code, or as much of it as there is.
bool looks_like_http_response(std::span<const uint8_t> bytes, bool& enough);

// One connection's answer so far. Small enough to lie in every flow.
class AppProtocolDetector {
 public:
  AppProtocol protocol() const { return protocol_; }
  bool decided() const { return protocol_ != AppProtocol::kUnknown; }
  // The first byte of the stream was not seen (a gap, a midstream pick-up), and what speaks HTTP may begin anywhere.
  // The client speaks in the direction kToClient: the caller took the wrong side for it (midstream pick-up).
  bool reversed() const { return reversed_; }

  // The first bytes of one direction, as they come; returns decided(). Bytes that come in small pieces are gathered (16
  // at most). After a decision calls change nothing.
  bool look(Direction direction, std::span<const uint8_t> bytes);

 private:
  static constexpr uint8_t kPrefixBytes = 24;  // the length of the HTTP/2 preface
  struct Prefix {
    uint8_t bytes[kPrefixBytes];
    uint8_t length = 0;
    bool hopeless = false;  // nothing known begins so
  };
  void classify(Direction direction, std::span<const uint8_t> bytes);

  AppProtocol protocol_ = AppProtocol::kUnknown;
  bool reversed_ = false;
  Prefix prefix_[2];
};

}  // namespace gatetape
