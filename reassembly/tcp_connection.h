// A TCP connection as far as it is known (RFC 9293): its state, and the place of each stream. The reassembler changes
// it, validation reads it.
#pragma once

#include <cstdint>
#include <utility>

#include "packet/decode.h"
#include "packet/flow_key.h"
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

// One direction: the bytes that one side sends.
struct TcpStream {
  // The stream begins with this sequence number.
  void start(uint32_t sequence) {
    next_sequence = sequence;
    started = true;
  }

  uint32_t next_sequence = 0;     // the first byte that was not delivered
  uint32_t acknowledged = 0;      // the receiver's highest acknowledgment number
  uint64_t next_offset = 0;       // the same as an offset: bytes delivered, gaps included
  bool started = false;           // next_sequence is known
  bool has_acknowledged = false;  // `acknowledged` is known
  bool sent_syn = false;
  bool has_fin = false;      // fin_offset is known
  bool ended = false;        // on_stream_end was called
  uint8_t window_scale = 0;  // scales the windows that this side advertises (RFC 7323), once both SYNs carried one
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

enum class SegmentVerdict : uint8_t;  // reassembly/tcp_validation.h

class TcpConnection {
 public:
  TcpState state() const { return state_; }
  // The handshake is complete, or the connection was picked up in the middle and that is allowed. It stays true after
  // the connection has closed.
  bool established() const { return established_; }
  bool midstream() const { return midstream_; }
  bool closed() const { return state_ == TcpState::kClosed || state_ == TcpState::kReset; }
  const TcpStream& stream(Direction d) const { return streams_[index(d)]; }
  // The TCP flags of all segments that the side has sent.
  uint8_t flags_seen(Direction d) const { return streams_[index(d)].flags_seen; }
  // Whether this segment begins another connection between the same addresses and ports: the caller ends the flow,
  // begins a new one and gives the segment to that. A SYN does after a close; while a connection is open, only the
  // SYN+ACK that accepts a new SYN does (RFC 5961 section 4: a SYN alone proves nothing).
  bool is_replaced_by(Direction direction, const DecodedPacket& decoded) const;
  // The caller had taken the wrong side for the client. Not to be called from a sink.
  void swap_directions() { std::swap(streams_[0], streams_[1]); }

 private:
  friend class TcpReassembler;
  friend SegmentVerdict validate_segment(const TcpConnection&, Direction, const DecodedPacket&);

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

// Which side of the first segment seen of a connection is the client. True: the source of the segment.
bool source_is_client(const DecodedPacket& decoded);

}  // namespace gatetape
