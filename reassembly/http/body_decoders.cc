#include "reassembly/http/body_decoders.h"

namespace gatetape {

BodyDecoders::Pointer BodyDecoders::lend(const HttpHead& head) {
  const ContentCoding coding = content_coding(head);
  if (coding == ContentCoding::kIdentity || coding == ContentCoding::kUnsupported) return {};
  if (lent_ == kLentMax) {
    ++refused_;
    return {};
  }
  std::unique_ptr<BodyDecoder> decoder;
  if (free_.empty()) {
    decoder = std::make_unique<BodyDecoder>();
  } else {
    decoder = std::move(free_.back());
    free_.pop_back();
  }
  ++lent_;
  decoder->begin(coding);
  return Pointer(decoder.release(), GiveBack{this});
}

void BodyDecoders::give_back(BodyDecoder* decoder) {
  --lent_;
  counters_ += decoder->take_counters();
  free_.emplace_back(decoder);
}

}  // namespace gatetape
