// Decoders of content codings, lent to the messages whose bodies somebody looks at, and kept for the next ones.
//
// One per worker. Bounded: kLentMax at a time (some 40 KiB each); a body that gets none is told as it was sent, which
// is counted. Outlives the transactions that hold decoders.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "reassembly/http/body_decoder.h"

namespace gatetape {

class BodyDecoders {
 public:
  static constexpr size_t kLentMax = 1024;

  struct GiveBack {
    BodyDecoders* owner = nullptr;
    void operator()(BodyDecoder* decoder) const { owner->give_back(decoder); }
  };
  using Pointer = std::unique_ptr<BodyDecoder, GiveBack>;

  // For the body behind this head; null when it has no coding that can be removed, or all decoders are lent.
  Pointer lend(const HttpHead& head);
  uint64_t refused() const { return refused_; }
  // Over all decoders, of the bodies whose decoder has come back.
  const BodyDecoderCounters& counters() const { return counters_; }

 private:
  void give_back(BodyDecoder* decoder);

  std::vector<std::unique_ptr<BodyDecoder>> free_;
  size_t lent_ = 0;
  uint64_t refused_ = 0;
  BodyDecoderCounters counters_;
};

}  // namespace gatetape
