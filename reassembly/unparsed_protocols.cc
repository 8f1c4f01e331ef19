#include "reassembly/unparsed_protocols.h"

#include <algorithm>
#include <string_view>

namespace gatetape {
namespace {

using Answer = Recognition::Answer;

Recognition begins_with(std::string_view wanted, std::span<const uint8_t> bytes) {
  const size_t length = std::min(bytes.size(), wanted.size());
  if (!std::equal(wanted.begin(), wanted.begin() + length, bytes.begin())) return {};
  return {length == wanted.size() ? Answer::kYes : Answer::kMaybe, {}};
}

}  // namespace

Recognition TlsRecogniser::recognise(std::span<const uint8_t> bytes) {
  constexpr uint8_t kHandshake = 22, kMajorVersion = 3, kMinorVersionMax = 4, kClientHello = 1, kServerHello = 2;
  if (bytes[0] != kHandshake) return {};
  if (bytes.size() > 1 && bytes[1] != kMajorVersion) return {};
  if (bytes.size() > 2 && bytes[2] > kMinorVersionMax) return {};
  if (bytes.size() <= 5) return {Answer::kMaybe, {}};
  return {bytes[5] == kClientHello || bytes[5] == kServerHello ? Answer::kYes : Answer::kNo, {}};
}

Recognition SshRecogniser::recognise(std::span<const uint8_t> bytes) {
  return begins_with("SSH-", bytes);
}

Recognition Http2Recogniser::recognise(std::span<const uint8_t> bytes) {
  return begins_with("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes);
}

}  // namespace gatetape
