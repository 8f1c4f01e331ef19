// Which protocol a TCP connection speaks, from the first bytes of each direction. Cheap, and decided once: by the first
// direction that says something certain, or as kOther when both have begun with something unknown.
//
// Untrusted bytes; no allocation; one thread per detector.
#pragma once

#include <cstdint>
#include <span>

#include "packet/flow_key.h"
#include "packet/records.h"

namespace gatetape {

// Whether `bytes` begin as a request line does: a method in capitals, a space, and what a target begins with. While
// they are too few to tell, `enough` is false and the answer is whether they may become one; 24 are enough.
bool looks_like_http_request(std::span<const uint8_t> bytes, bool& enough);
// The same for "HTTP/1." and a status code.
bool looks_like_http_response(std::span<const uint8_t> bytes, bool& enough);

// One connection's answer so far. Small enough to lie in every TCP flow.
class AppProtocolDetector {
 public:
  AppProtocol protocol() const { return protocol_; }
  bool decided() const { return protocol_ != AppProtocol::kUnknown; }
  // A request was seen in the direction kToClient, or a response in kToServer: the caller took the wrong side for the
  // client, as happens when the beginning was not seen. Directions of held() are as look() was told.
  bool reversed() const { return reversed_; }

  // The beginning was not seen, or bytes are missing: from now on the first bytes of any piece may be the first of a
  // message.
  void set_midstream() { midstream_ = true; }
  // The next bytes of one direction; returns decided(). After a decision nothing changes any more.
  bool look(Direction direction, std::span<const uint8_t> bytes);
  // Bytes that earlier calls were given and nobody has parsed: after the decision, the protocol's parser gets those of
  // both directions first, then the bytes of the call that decided.
  std::span<const uint8_t> held(Direction direction) const {
    const Prefix& prefix = prefix_[index(direction)];
    return {prefix.bytes, prefix.hopeless ? size_t{0} : prefix.length};
  }

 private:
  static constexpr uint8_t kPrefixBytes = 24;
  static constexpr uint8_t kPiecesMax = 255;  // looked at per direction, in the middle of a stream

  struct Prefix {
    uint8_t bytes[kPrefixBytes];
    uint8_t length = 0;
    uint8_t pieces = 0;
    bool hopeless = false;  // nothing known begins so
  };

  AppProtocol protocol_ = AppProtocol::kUnknown;
  bool midstream_ = false;
  bool reversed_ = false;
  Prefix prefix_[2];
};

}  // namespace gatetape
