// Protocols that are recognised and not parsed: the flow's record names them, and encrypted ones are told apart.
#pragma once

#include "reassembly/protocol.h"

namespace gatetape {

// A handshake record (RFC 8446 section 5.1) with a ClientHello or a ServerHello.
struct TlsRecogniser {
  static constexpr AppProtocol kProtocol = AppProtocol::kTls;
  static Recognition recognise(std::span<const uint8_t> first_bytes);
};

// The identification string (RFC 4253 section 4.2).
struct SshRecogniser {
  static constexpr AppProtocol kProtocol = AppProtocol::kSsh;
  static Recognition recognise(std::span<const uint8_t> first_bytes);
};

// The client's connection preface (RFC 9113 section 3.4).
struct Http2Recogniser {
  static constexpr AppProtocol kProtocol = AppProtocol::kHttp2;
  static Recognition recognise(std::span<const uint8_t> first_bytes);
};

}  // namespace gatetape
