// TCP connections: their state (RFC 9293) and the byte streams of both directions, as a listener beside the wire sees
// them.
//
// Bytes are delivered on arrival, in order, each once. What arrives in order is delivered as a view of the packet,
// without a copy or an allocation; what arrives ahead of a hole is copied into a ReorderBuffer. A hole that will not be
// filled is delivered as a gap, which is data too. A hole is given up when
//   - the receiver has acknowledged all of it and the sender has gone on behind it: the bytes were exchanged, and this
//     sensor did not see them (acknowledged_unseen_bytes). It waits `reorder_patience_ns` first, since a mirror may
//     deliver the two directions in another order than the wire;
//   - the receiver is never seen (a one-sided mirror) and the hole is `one_sided_patience_ns` old;
//   - the receiver is never seen and the budget for waiting bytes is used up, the stream's (`stream_bytes_max`) or the
//     worker's (`worker_bytes_max`);
//   - the flow ends.
// Else, with the budget used up, it is the segment behind the hole that is dropped, and missed once it is acknowledged:
// a sender who leaves a hole open on purpose cannot make the sensor look away from it. Nor does an acknowledgment alone
// move anything, so that a receiver cannot blind the sensor by acknowledging what was never sent.
//
// One TcpReassembler per worker, one thread. A TcpConnection lives in its flow and must be destroyed before its
// reassembler. A sink has on_stream_bytes(Direction, std::span<const uint8_t>, uint64_t offset),
// on_stream_gap(Direction, uint64_t length) and on_stream_end(Direction). Offsets count from the stream's first byte,
// gaps included. on_stream_end comes once per direction that began, after a FIN, a reset or finish(), and nothing of
// that direction comes after it. Views live until the call returns. The sink must not call the reassembler.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "packet/decode.h"
#include "packet/flow_key.h"
#include "packet/packet.h"
#include "reassembly/reorder_buffer.h"

namespace gatetape {

enum class TcpState : uint8_t {
  kNone,         // no segment yet
  kSynSent,      // the client's SYN was seen
  kSynReceived,  // the server's SYN+ACK was seen
  kEstablished,  // the handshake is complete, or the connection was picked up in the middle
  kClosing,      // one side has sent FIN
  kClosed,       // both sides have, and all before it was delivered or given up
  kReset,        // a valid RST was seen
};

// One direction: what one side sends.
struct TcpStream {
  uint32_t next_sequence = 0;     // the first byte not delivered
  uint32_t acknowledged = 0;      // the receiver's highest acknowledgment number
  uint64_t next_offset = 0;       // offset of next_sequence: bytes delivered, gaps included
  bool started = false;           // next_sequence is known
  bool has_acknowledged = false;  // `acknowledged` is known
  bool sent_syn = false;
  bool has_fin = false;      // fin_offset is known
  bool ended = false;        // on_stream_end was called
  uint8_t window_scale = 0;  // scale of the windows that this side advertises (RFC 7323), once both SYNs carried it
  uint8_t flags_seen = 0;
  uint8_t beyond_window = 0;  // segments in a row that were out of window
  uint16_t window = 0;        // the last this side advertised, unscaled
  uint32_t initial_sequence = 0;
  uint64_t fin_offset = 0;            // where the stream ends
  uint64_t gap_bytes = 0;             // acknowledged by the receiver, never seen here
  int64_t hole_since_ns = 0;          // when the hole before `waiting` was first seen; 0: not yet
  int64_t acknowledged_since_ns = 0;  // when the receiver was first seen to have acknowledged that hole; 0: not yet
  ReorderBufferPointer waiting;       // null while there is no hole
};

class TcpConnection {
 public:
  TcpState state() const { return state_; }
  // The handshake is complete, or the connection was picked up in the middle and that is allowed. Stays true after a
  // close.
  bool established() const { return established_; }
  bool midstream() const { return midstream_; }
  bool closed() const { return state_ == TcpState::kClosed || state_ == TcpState::kReset; }
  const TcpStream& stream(Direction d) const { return streams_[index(d)]; }
  // All TCP flags that side has sent.
  uint8_t flags_seen(Direction d) const { return streams_[index(d)].flags_seen; }
  // Whether this segment begins another connection between the same addresses and ports: the caller ends the flow,
  // begins a new one and gives the segment to that. A SYN does after a close; while a connection is open, only the
  // SYN+ACK that accepts a new SYN does (RFC 5961 section 4: a SYN alone proves nothing).
  bool is_replaced_by(Direction direction, const DecodedPacket& decoded) const;
  // The caller had taken the wrong side for the client. Not to be called from a sink.
  void swap_directions() { std::swap(streams_[0], streams_[1]); }

 private:
  friend class TcpReassembler;

  TcpStream streams_[2];
  TcpState state_ = TcpState::kNone;
  bool established_ = false;
  bool midstream_ = false;
  bool ignored_ = false;         // begun in the middle, and that is not allowed: nothing is delivered
  bool has_challenge_ = false;   // a SYN was seen while open
  bool syn_data_waits_ = false;  // the SYN carried data; the server has not accepted it yet
  Direction challenge_direction_ = Direction::kToServer;
  uint32_t challenge_sequence_ = 0;
};

// Which side of the first segment seen of a connection is the client. True: its source.
bool source_is_client(const DecodedPacket& decoded);

struct TcpOptions {
  bool midstream = true;  // accept connections whose beginning was not seen
  OverlapPolicy overlap_policy = OverlapPolicy::kFirst;
  ReorderLimits reorder;
  int64_t reorder_patience_ns = 5'000'000;
  int64_t one_sided_patience_ns = 1'000'000'000;
};

struct TcpCounters {
  uint64_t segments = 0;
  uint64_t out_of_order = 0;    // segments copied to wait behind a hole
  uint64_t retransmitted = 0;   // segments with nothing new
  uint64_t overlapping = 0;     // segments with some bytes seen before and some new
  uint64_t out_of_window = 0;   // segments ignored since they cannot belong to the connection as seen
  uint64_t resets_ignored = 0;  // RSTs that no receiver would accept (RFC 9293 section 3.10.7.4, RFC 5961)
  uint64_t over_limit = 0;      // segments that found the budget used up: dropped, or a gap was made before them
  uint64_t gaps = 0;
  uint64_t gap_bytes = 0;
  uint64_t acknowledged_unseen_bytes = 0;  // those among them that the receiver had acknowledged
  uint64_t midstream = 0;                  // connections begun in the middle
};

class TcpReassembler {
 public:
  explicit TcpReassembler(const TcpOptions& options = {}) : options_(options), pool_(options.reorder) {}

  // One segment of the connection. Precondition: a TCP packet with has_transport, not a fragment.
  template <class Sink>
  void segment(TcpConnection& connection, Direction direction, const Packet& packet, const DecodedPacket& decoded,
               Sink& sink);
  // The flow ends: delivers what waits, with its gaps, ends both streams and gives the memory back.
  template <class Sink>
  void finish(TcpConnection& connection, Sink& sink);

  const TcpCounters& counters() const { return counters_; }
  const ReorderPool& pool() const { return pool_; }

 private:
  // The slow path's way to the sink: holes, handshakes and ends are rare enough for a virtual call.
  struct Events {
    virtual void bytes(Direction direction, std::span<const uint8_t> bytes, uint64_t offset) = 0;
    virtual void gap(Direction direction, uint64_t length) = 0;
    virtual void end(Direction direction) = 0;

   protected:
    ~Events() = default;
  };
  template <class Sink>
  struct EventsTo;
  struct Segment;

  static bool is_in_order(const TcpConnection& connection, Direction direction, const DecodedPacket& decoded);
  void slow_segment(TcpConnection& connection, Direction direction, const Packet& packet, const DecodedPacket& decoded,
                    Events& events);
  void slow_finish(TcpConnection& connection, Events& events);

  void begin(TcpConnection& connection, Direction direction, const DecodedPacket& decoded);
  bool synchronise(TcpConnection& connection, Direction direction, const Packet& packet, const DecodedPacket& decoded);
  void acknowledge(TcpConnection& connection, Direction direction, const DecodedPacket& decoded);
  void settle_syn_data(TcpConnection& connection, Direction direction, const DecodedPacket& decoded, Events& events);
  void hold_syn_data(TcpConnection& connection, Direction direction, std::span<const uint8_t> bytes);
  void take(TcpConnection& connection, Direction direction, const Packet& packet, const DecodedPacket& decoded,
            Events& events);
  static int64_t window_limit(const TcpConnection& connection, Direction direction);
  bool is_beyond_window(TcpConnection& connection, Direction direction, int64_t begins);
  void in_order(TcpConnection& connection, Direction direction, const Segment& segment, Events& events);
  void wait(TcpConnection& connection, Direction direction, const Segment& segment, Events& events);
  void give_up_hole(TcpConnection& connection, Direction direction, int64_t now_ns, Events& events);
  void skip_to(TcpConnection& connection, Direction direction, uint64_t offset, Events& events);
  void deliver(TcpStream& stream, Direction direction, std::span<const uint8_t> bytes, Events& events);
  void drain(TcpStream& stream, Direction direction, Events& events);
  void fin(TcpConnection& connection, Direction direction, uint64_t offset);
  void end_if_complete(TcpConnection& connection, Direction direction, Events& events);
  void reset(TcpConnection& connection, Direction direction, const DecodedPacket& decoded, Events& events);
  void flush(TcpConnection& connection, Direction direction, Events& events);

  TcpOptions options_;
  ReorderPool pool_;
  TcpCounters counters_;
};

template <class Sink>
struct TcpReassembler::EventsTo final : Events {
  explicit EventsTo(Sink& to) : sink(to) {}
  void bytes(Direction direction, std::span<const uint8_t> bytes, uint64_t offset) override {
    sink.on_stream_bytes(direction, bytes, offset);
  }
  void gap(Direction direction, uint64_t length) override { sink.on_stream_gap(direction, length); }
  void end(Direction direction) override { sink.on_stream_end(direction); }
  Sink& sink;
};

// An established connection without holes in this direction, and a segment that is next and changes no state.
inline bool TcpReassembler::is_in_order(const TcpConnection& connection, Direction direction,
                                        const DecodedPacket& decoded) {
  constexpr uint8_t kOrdinary = kTcpAck | kTcpPsh | kTcpEce | kTcpCwr;
  const TcpStream& stream = connection.streams_[index(direction)];
  const TcpStream& peer = connection.streams_[1 - index(direction)];
  return connection.state_ == TcpState::kEstablished && decoded.sequence_number == stream.next_sequence &&
         (decoded.tcp_flags | kTcpPsh | kTcpEce | kTcpCwr) == kOrdinary && !stream.waiting && !peer.waiting &&
         stream.started && peer.has_acknowledged && decoded.payload_length == decoded.payload_wire_length;
}

template <class Sink>
void TcpReassembler::segment(TcpConnection& connection, Direction direction, const Packet& packet,
                             const DecodedPacket& decoded, Sink& sink) {
  ++counters_.segments;
  TcpStream& stream = connection.streams_[index(direction)];
  stream.flags_seen |= decoded.tcp_flags;
  if (!is_in_order(connection, direction, decoded)) {
    EventsTo<Sink> events(sink);
    slow_segment(connection, direction, packet, decoded, events);
    return;
  }
  stream.window = decoded.window;
  TcpStream& peer = connection.streams_[1 - index(direction)];
  if (static_cast<int32_t>(decoded.acknowledgment_number - peer.acknowledged) > 0) {
    peer.acknowledged = decoded.acknowledgment_number;
  }
  if (decoded.payload_length == 0) return;
  const uint64_t offset = stream.next_offset;
  stream.next_sequence += decoded.payload_length;
  stream.next_offset += decoded.payload_length;
  sink.on_stream_bytes(direction, decoded.payload(packet), offset);
}

template <class Sink>
void TcpReassembler::finish(TcpConnection& connection, Sink& sink) {
  EventsTo<Sink> events(sink);
  slow_finish(connection, events);
}

}  // namespace gatetape
