// The parts of one message of a transaction that rules look at: the buffers of its protocol, and the body, which the
// matcher has kept.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "packet/buffers.h"
#include "packet/transaction.h"

namespace gatetape {

// One object per thread, begun anew for each look at a message. Views live until the next call.
class TransactionBuffers {
 public:
  // `body` is what is inspected of the message's body; empty: none, or not yet. It and the transaction must live until
  // the look is over.
  void begin(const Transaction& transaction, Direction direction, std::span<const uint8_t> body) {
    transaction_ = &transaction;
    direction_ = direction;
    body_ = body;
  }

  // Calls visit(std::span<const uint8_t>) for each instance of the buffer until it returns true; returns whether it
  // did. A buffer that is not there has no instance.
  template <class Visit>
  bool any(Buffer buffer, Visit&& visit) const {
    if (is_body(buffer)) {
      return (buffer_directions(buffer) & side_of(direction_)) != 0 && !body_.empty() && visit(body_);
    }
    if (buffer == Buffer::kPayload && !body_.empty() && visit(body_)) return true;
    for (size_t instance = 0;; ++instance) {
      const auto bytes = transaction_->buffer(buffer, direction_, instance);
      if (!bytes) return false;
      if (visit(*bytes)) return true;
    }
  }

  // The buffer with a dot before it, so that the literals of rules with and without `dotprefix` are found in one scan;
  // empty when there is none.
  std::span<const uint8_t> dotted(Buffer buffer);

 private:
  const Transaction* transaction_ = nullptr;
  Direction direction_ = Direction::kToServer;
  std::span<const uint8_t> body_;
  std::string dotted_;
};

// The buffer after transforms, in `scratch`.
std::span<const uint8_t> transformed(std::span<const uint8_t> buffer, std::span<const Transform> transforms,
                                     std::string& scratch);

}  // namespace gatetape
