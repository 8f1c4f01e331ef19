// A transaction: one exchange of an application protocol, such as a request and its response. Rules, records and
// alerts see every protocol's transactions through this class alone; a protocol derives its own from it.
//
// A protocol owns its transactions, tells the pipeline about them by reference, and uses them again after their end,
// unless `kept` is set. One thread. The values that the calls below return may point into the transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "packet/app_protocol.h"
#include "packet/buffers.h"
#include "packet/flow_key.h"
#include "packet/records.h"

namespace gatetape {

// How far one direction of a transaction has come. It only ever moves forward.
enum class Progress : uint8_t {
  kNone,      // nothing of the message has been told
  kHead,      // the head was told, whole or cut
  kBody,      // bytes behind the head were told
  kComplete,  // the message is complete; a message that was given up stays where it was
};

// The facts about a flow that its records repeat. The caller of Transaction::record() knows them; protocols do not.
struct RecordContext {
  uint64_t flow_id = 0;
  Endpoints endpoints;  // from the client to the server
  uint16_t vlan_id[2] = {0, 0};
};

class Transaction {
 public:
  virtual ~Transaction() = default;

  // The bytes of one instance of a sticky buffer, in the message that goes in `direction`; nothing when the message has
  // no such buffer or fewer instances. A buffer that only one direction has is taken from that direction's message.
  // Instances count from 0. Buffers that are part of a body have no bytes here: bodies are told in pieces, and a reader
  // that needs more than one piece keeps them. The bytes stay valid until the next call on any transaction of the same
  // worker.
  virtual std::optional<std::span<const uint8_t>> buffer(Buffer buffer, Direction direction, size_t instance) const = 0;
  // The record of this transaction, made when it ends. Its texts point into the transaction.
  virtual Record record(const RecordContext& context) const = 0;
  // Fills those members of an alert that tell about the transaction in which it was raised.
  virtual void describe(AlertRecord& alert) const = 0;

  // Ends the transaction's life after its end was told and `kept` was set: the protocol may use it again.
  virtual void release() {}

  bool complete() const { return progress[0] == Progress::kComplete && progress[1] == Progress::kComplete; }

  const AppProtocol protocol;
  uint64_t id = 0;                                            // within its flow, from 0
  Progress progress[2] = {Progress::kNone, Progress::kNone};  // by Direction
  // Set when its end is told, by a reader that needs it for a while yet: the reader then calls release().
  bool kept = false;

 protected:
  explicit Transaction(AppProtocol spoken) : protocol(spoken) {}
};

}  // namespace gatetape
