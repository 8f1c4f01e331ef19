// Which protocol a conversation speaks, from the first bytes of each direction. Cheap, and decided once: by the first
// direction that says something certain, or as kOther when both have begun with something unknown.
//
// Untrusted bytes; no allocation; one thread per detector.
#pragma once

#include <cstdint>
#include <span>

#include "packet/app_protocol.h"
#include "packet/flow_key.h"
#include "reassembly/protocol.h"

namespace gatetape {

// The answer of the first protocol of a list that does not say no; kUnknown and kNo when all of them do.
struct Recognised {
  AppProtocol protocol = AppProtocol::kUnknown;
  Recognition recognition;
};

// One conversation's answer so far. Small enough to lie in every flow.
class ProtocolDetector {
 public:
  // Asks a list of protocols about the first bytes of one direction.
  using AskAll = Recognised (*)(std::span<const uint8_t> first_bytes);

  AppProtocol protocol() const { return protocol_; }
  bool decided() const { return protocol_ != AppProtocol::kUnknown; }
  // The bytes that decided go the other way in that protocol: the caller took the wrong side for the client, as happens
  // when the beginning was not seen. Directions of held() are as look() was told.
  bool reversed() const { return reversed_; }

  // The beginning was not seen, or bytes are missing: any piece may now begin a message.
  void set_midstream() { midstream_ = true; }
  // The next bytes of one direction; returns decided(). After a decision nothing changes any more.
  bool look(Direction direction, std::span<const uint8_t> bytes, AskAll ask_all);
  // Bytes that earlier calls were given and nobody has parsed: after the decision, the protocol's parser gets those of
  // both directions first, then the bytes of the call that decided.
  std::span<const uint8_t> held(Direction direction) const {
    const Prefix& prefix = prefix_[index(direction)];
    return {prefix.bytes, prefix.hopeless ? size_t{0} : prefix.length};
  }

 private:
  static constexpr uint8_t kPiecesMax = 255;  // looked at per direction, in the middle of a stream

  struct Prefix {
    uint8_t bytes[kRecognitionBytesMax];
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
