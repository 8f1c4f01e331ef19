#include "reassembly/app_protocol.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace gatetape {
namespace {

// The verdict of one direction's first bytes. kUnknown with `hope`: more bytes may tell.
struct Verdict {
  AppProtocol protocol = AppProtocol::kUnknown;
  bool hope = false;
  Direction speaker = Direction::kToServer;  // HTTP/1: the direction in which such bytes go
};

// Whether `bytes` begin with `pattern`, as far as both go.
bool agrees(std::string_view bytes, std::string_view pattern) {
  const size_t length = std::min(bytes.size(), pattern.size());
  return bytes.substr(0, length) == pattern.substr(0, length);
}

// A handshake record (RFC 8446 section 5.1) with a ClientHello or ServerHello.
bool looks_like_tls(std::span<const uint8_t> bytes) {
  constexpr uint8_t kHandshake = 22, kMajorVersion = 3, kMinorVersionMax = 4, kClientHello = 1, kServerHello = 2;
  if (bytes[0] != kHandshake) return false;
  if (bytes.size() > 1 && bytes[1] != kMajorVersion) return false;
  if (bytes.size() > 2 && bytes[2] > kMinorVersionMax) return false;
  return bytes.size() <= 5 || bytes[5] == kClientHello || bytes[5] == kServerHello;
}

Verdict classify(std::span<const uint8_t> bytes) {
  constexpr size_t kTlsBytes = 6;
  constexpr std::string_view kSsh = "SSH-", kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto known = [&](AppProtocol protocol, size_t needed, Direction speaker = Direction::kToServer) {
    return bytes.size() >= needed ? Verdict{protocol, false, speaker} : Verdict{AppProtocol::kUnknown, true, speaker};
  };
  if (looks_like_tls(bytes)) return known(AppProtocol::kTls, kTlsBytes);
  if (agrees(text, kSsh)) return known(AppProtocol::kSsh, kSsh.size());
  if (agrees(text, kHttp2Preface)) return known(AppProtocol::kHttp2, kHttp2Preface.size());
  bool enough = false;
  if (looks_like_http_request(bytes, enough)) return known(AppProtocol::kHttp1, enough ? 0 : SIZE_MAX);
  if (looks_like_http_response(bytes, enough)) {
    return known(AppProtocol::kHttp1, enough ? 0 : SIZE_MAX, Direction::kToClient);
  }
  return {};
}

}  // namespace

bool looks_like_http_request(std::span<const uint8_t> bytes, bool& enough) {
  constexpr size_t kMethodMin = 3, kMethodMax = 16;
  enough = true;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_t length = 0;
  while (length < text.size() && length <= kMethodMax &&
         ((text[length] >= 'A' && text[length] <= 'Z') || text[length] == '-' || text[length] == '_')) {
    ++length;
  }
  if (length > kMethodMax) return false;
  if (length + 1 >= text.size()) {
    enough = false;
    return length == text.size() || (length >= kMethodMin && text[length] == ' ');
  }
  if (length < kMethodMin || text[length] != ' ') return false;
  const char target = text[length + 1];
  return target == '/' || target == '*' || target == 'h' || target == 'H' ||
         (text.substr(0, length) == "CONNECT" && target > ' ');
}

bool looks_like_http_response(std::span<const uint8_t> bytes, bool& enough) {
  // '#' stands for a digit.
  constexpr std::string_view kPattern = "HTTP/1.# ###";
  enough = bytes.size() >= kPattern.size();
  for (size_t i = 0; i < std::min(bytes.size(), kPattern.size()); ++i) {
    const bool fits = kPattern[i] == '#' ? bytes[i] >= '0' && bytes[i] <= '9' : bytes[i] == kPattern[i];
    if (!fits) {
      enough = true;
      return false;
    }
  }
  return true;
}

bool AppProtocolDetector::look(Direction direction, std::span<const uint8_t> bytes) {
  Prefix& prefix = prefix_[index(direction)];
  if (decided() || prefix.hopeless || bytes.empty()) return decided();

  const size_t taken = std::min<size_t>(bytes.size(), kPrefixBytes - prefix.length);
  std::memcpy(prefix.bytes + prefix.length, bytes.data(), taken);
  const Verdict verdict = classify({prefix.bytes, prefix.length + taken});
  if (verdict.protocol != AppProtocol::kUnknown) {
    protocol_ = verdict.protocol;
    reversed_ = protocol_ == AppProtocol::kHttp1 && verdict.speaker != direction;
    return true;
  }
  if (verdict.hope) {
    prefix.length = static_cast<uint8_t>(prefix.length + taken);
    return false;
  }
  if (midstream_ && prefix.pieces < kPiecesMax) {
    ++prefix.pieces;
    prefix.length = 0;
    return false;
  }
  prefix.hopeless = true;
  if (prefix_[1 - index(direction)].hopeless) protocol_ = AppProtocol::kOther;
  return decided();
}

}  // namespace gatetape
