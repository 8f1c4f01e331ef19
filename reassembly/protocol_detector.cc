#include "reassembly/protocol_detector.h"

#include <algorithm>
#include <cstring>

namespace gatetape {

bool ProtocolDetector::look(Direction direction, std::span<const uint8_t> bytes, AskAll ask_all) {
  Prefix& prefix = prefix_[index(direction)];
  if (decided() || prefix.hopeless || bytes.empty()) return decided();

  const size_t taken = std::min<size_t>(bytes.size(), kRecognitionBytesMax - prefix.length);
  std::memcpy(prefix.bytes + prefix.length, bytes.data(), taken);
  const auto [protocol, recognition] = ask_all({prefix.bytes, prefix.length + taken});
  if (recognition.answer == Recognition::Answer::kYes) {
    protocol_ = protocol;
    reversed_ = recognition.speaker.value_or(direction) != direction;
    return true;
  }
  if (recognition.answer == Recognition::Answer::kMaybe) {
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
