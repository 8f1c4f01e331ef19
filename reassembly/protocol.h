// The contract of application protocols. A protocol is a class that has the members below; nothing is inherited, and
// the list in reassembly/stack/protocols.h is all that has to know its name.
//
// Every protocol has
//   static constexpr AppProtocol kProtocol;
//   static Recognition recognise(std::span<const uint8_t> first_bytes);
//     What the first bytes of one direction, never none of them, say about this protocol. Called with more of the same
//     bytes until the answer is not kMaybe, which it must be by kRecognitionBytesMax of them.
// and needs nothing else when it is recognised and not parsed.
//
// A protocol that is parsed also has
//   Connection
//     The state of one conversation: constructible from nothing and destroyed in place, inside its flow. May have
//     set_midstream(), which is called first when the beginning of the stream was not seen, and prefetch() const, which
//     asks the processor for what consume() will touch.
//   void count(WorkerAccount& account) const;
//     Adds what the protocol has counted.
//   void describe(const Connection&, FlowRecord&) const;                           (may be left out)
//     Fills the members of a flow's record that are the protocol's.
//   template <class Sink> void finish(Connection&, Sink&);
//     The flow is over: ends every transaction, and finishes every inner stream.
// and, if it is spoken over TCP or inside another protocol's stream,
//   template <class Sink> void consume(Connection&, Direction, std::span<const uint8_t>, const Packet&, Sink&);
//     The next bytes of one direction. The packet dates what they complete.
//   template <class Sink> void gap(Connection&, Direction, uint64_t length, const Packet&, Sink&);
//     That many bytes of one direction are missing here.
//   template <class Sink> void end(Connection&, Direction, Sink&);
//     That side has sent its last byte.
// or, if it is spoken in datagrams,
//   template <class Sink> void datagram(Connection&, Direction, std::span<const uint8_t>, const Packet&, Sink&);
//
// One object of each protocol per worker is made from nothing and used by one thread; it holds what connections share,
// such as pools, and outlives its connections. What comes in is untrusted: each protocol bounds what it keeps of a
// connection and of all connections, and counts what it gave up.
//
// A protocol tells the sink about its transactions (packet/transaction.h), each of which it owns:
//   on_transaction_head(Transaction&, Direction)
//     That side's head is there, whole or cut; its buffers exist.
//   wants_body(Transaction&, Direction) -> bool
//     Whether anybody looks at that body. A body that nobody looks at need not be decoded or told.
//   on_transaction_body(Transaction&, Direction, std::span<const uint8_t>)
//     Bytes of that body, without transfer and content codings.
//   on_transaction_gap(Transaction&, Direction, uint64_t length)
//     Bytes of that body are missing here.
//   on_message_end(Transaction&, Direction)
//     That side's message is complete.
//   on_transaction_end(Transaction&)
//     Once for each transaction, which the protocol may then use again; if `kept` is set, only after release().
// Bytes live during the call, and the sink calls neither the protocol nor its caller. A protocol that carries another
// protocol's stream hands it on through the same sink, one InnerStream for each, which lies in its Connection:
//   hand_on(InnerStream&, Direction, std::span<const uint8_t>, const Packet&)
//   hand_on_gap(InnerStream&, Direction, uint64_t length, const Packet&)
//   hand_on_end(InnerStream&, Direction)
//   finish(InnerStream&)
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "packet/account.h"
#include "packet/app_protocol.h"
#include "packet/flow_key.h"
#include "packet/packet.h"
#include "packet/transaction.h"

namespace gatetape {

inline constexpr size_t kRecognitionBytesMax = 24;

struct Recognition {
  enum class Answer : uint8_t {
    kNo,
    kMaybe,  // more bytes will tell
    kYes,
  };
  Answer answer = Answer::kNo;
  std::optional<Direction> speaker;  // the direction in which such bytes go; nothing: either
};

// A stream inside a connection, with a protocol of its own. Costs two pointers until the first bytes are handed on.
class InnerStream {
 public:
  // kNamesConnection: the connection is said to speak what the inner stream speaks, as it is for an envelope around one
  // other protocol.
  enum class Role : uint8_t { kOneOfMany, kNamesConnection };

  explicit InnerStream(Role role = Role::kOneOfMany) : role_(role) {}
  ~InnerStream() {
    if (layer_ != nullptr) destroy_(layer_);
  }
  InnerStream(InnerStream&& other) noexcept
      : layer_(std::exchange(other.layer_, nullptr)), destroy_(other.destroy_), role_(other.role_) {}
  InnerStream& operator=(InnerStream&&) = delete;

 private:
  template <class...>
  friend class ProtocolStack;

  void* layer_ = nullptr;  // the ProtocolStack's Layer
  void (*destroy_)(void*) = nullptr;
  Role role_;
};

// Stands for any sink where the concepts below ask whether a protocol compiles with one.
struct AnySink {
  void on_transaction_head(Transaction&, Direction);
  bool wants_body(Transaction&, Direction);
  void on_transaction_body(Transaction&, Direction, std::span<const uint8_t>);
  void on_transaction_gap(Transaction&, Direction, uint64_t);
  void on_message_end(Transaction&, Direction);
  void on_transaction_end(Transaction&);
  void hand_on(InnerStream&, Direction, std::span<const uint8_t>, const Packet&);
  void hand_on_gap(InnerStream&, Direction, uint64_t, const Packet&);
  void hand_on_end(InnerStream&, Direction);
  void finish(InnerStream&);
};

template <class P>
concept Protocol = requires(std::span<const uint8_t> bytes) {
  { P::kProtocol } -> std::convertible_to<AppProtocol>;
  { P::recognise(bytes) } -> std::same_as<Recognition>;
};

template <class P>
concept ParsedProtocol = Protocol<P> && std::default_initializable<P> &&
    std::default_initializable<typename P::Connection> &&
    requires(P protocol, typename P::Connection& connection, WorkerAccount& account, AnySink& sink) {
  std::as_const(protocol).count(account);
  protocol.finish(connection, sink);
};

template <class P>
concept StreamProtocol = ParsedProtocol<P> &&
    requires(P protocol, typename P::Connection& connection, Direction side, std::span<const uint8_t> bytes,
             const Packet& packet, AnySink& sink) {
  protocol.consume(connection, side, bytes, packet, sink);
  protocol.gap(connection, side, uint64_t{}, packet, sink);
  protocol.end(connection, side, sink);
};

template <class P>
concept DatagramProtocol = ParsedProtocol<P> &&
    requires(P protocol, typename P::Connection& connection, Direction side, std::span<const uint8_t> bytes,
             const Packet& packet, AnySink& sink) {
  protocol.datagram(connection, side, bytes, packet, sink);
};

}  // namespace gatetape
