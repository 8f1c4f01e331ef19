// TCP streams: the bytes of both directions of a connection (RFC 9293), as a listener beside the wire sees them.
//
// Bytes are delivered on arrival, in order, each once. What arrives in order is delivered as a view of the packet,
// without a copy or an allocation; what arrives ahead of a hole is copied into a ReorderBuffer. A hole that will not be
// filled is delivered as a gap, which is data too. A hole is given up when
//   - the receiver has acknowledged all of it and the sender has gone on behind it: the bytes were exchanged, and this
//     sensor did not see them (acknowledged_unseen_bytes). It waits `reorder_patience_ns` first, since a mirror may
//     deliver the two directions in another order than the wire;
//   - the receiver is never seen (a one-sided mirror), and the hole is `one_sided_patience_ns` old or the budget for
//     waiting bytes, the stream's or the worker's, is used up;
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

#include <array>
#include <cstdint>
#include <span>

#include "packet/decode.h"
#include "packet/flow_key.h"
#include "packet/packet.h"
#include "reassembly/reorder_buffer.h"
#include "reassembly/tcp_connection.h"
#include "reassembly/tcp_validation.h"

namespace gatetape {

struct TcpOptions {
  bool midstream = true;  // accept connections whose beginning was not seen
  OverlapPolicy overlap_policy = OverlapPolicy::kFirst;
  ReorderLimits reorder;
  int64_t reorder_patience_ns = 5'000'000;
  int64_t one_sided_patience_ns = 1'000'000'000;
};

struct TcpCounters {
  uint64_t segments = 0;
  uint64_t out_of_order = 0;   // segments copied to wait behind a hole
  uint64_t retransmitted = 0;  // segments with nothing new
  uint64_t overlapping = 0;    // segments with some bytes seen before and some new
  uint64_t over_limit = 0;     // segments that found the budget used up: dropped, or a gap was made before them
  uint64_t gaps = 0;
  uint64_t gap_bytes = 0;
  uint64_t acknowledged_unseen_bytes = 0;  // those of the gap bytes that the receiver had acknowledged
  uint64_t midstream = 0;                  // connections begun in the middle
  // By SegmentVerdict. Segments that took the inlined path are not among those accepted.
  std::array<uint64_t, kSegmentVerdictCount> verdicts{};

  uint64_t verdict(SegmentVerdict which) const { return verdicts[static_cast<size_t>(which)]; }
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

  // The connection's state: tcp_stream.cc.
  void begin(TcpConnection& connection, Direction direction, const DecodedPacket& decoded);
  void synchronise(TcpConnection& connection, Direction direction, const Packet& packet, const DecodedPacket& decoded);
  void acknowledge(TcpConnection& connection, Direction direction, const DecodedPacket& decoded);
  void settle_syn_data(TcpConnection& connection, Direction direction, const DecodedPacket& decoded, Events& events);
  void hold_syn_data(TcpConnection& connection, Direction direction, std::span<const uint8_t> bytes);
  void fin(TcpConnection& connection, Direction direction, uint64_t offset);
  void end_if_complete(TcpConnection& connection, Direction direction, Events& events);
  // The bytes: tcp_delivery.cc.
  void take(TcpConnection& connection, Direction direction, const Packet& packet, const DecodedPacket& decoded,
            Events& events);
  void in_order(TcpConnection& connection, Direction direction, const Segment& segment, Events& events);
  void wait(TcpConnection& connection, Direction direction, const Segment& segment, Events& events);
  void give_up_hole(TcpConnection& connection, Direction direction, int64_t now_ns, Events& events);
  void skip_to(TcpConnection& connection, Direction direction, uint64_t offset, Events& events);
  void deliver(TcpStream& stream, Direction direction, std::span<const uint8_t> bytes, Events& events);
  void drain(TcpStream& stream, Direction direction, Events& events);
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
