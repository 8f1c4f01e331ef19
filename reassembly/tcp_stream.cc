#include "reassembly/tcp_stream.h"

#include <algorithm>

#include "common/byte_reader.h"
#include "reassembly/tcp_sequence.h"

namespace gatetape {
namespace {

// The window scale option of a SYN (RFC 7323 section 2.2), kNoWindowScale when there is none.
uint8_t window_scale_option(const Packet& packet, const DecodedPacket& decoded) {
  constexpr uint16_t kFixedHeader = 20;
  constexpr uint8_t kEndOfOptions = 0, kNoOperation = 1, kWindowScale = 3;
  if (decoded.payload_offset < decoded.transport_offset + kFixedHeader) return kNoWindowScale;
  ByteReader options(packet.data + decoded.transport_offset + kFixedHeader,
                     size_t{decoded.payload_offset} - decoded.transport_offset - kFixedHeader);
  while (options.remaining() > 0) {
    const uint8_t kind = options.u8();
    if (kind == kEndOfOptions) break;
    if (kind == kNoOperation) continue;
    const uint8_t length = options.u8();
    if (!options.ok() || length < 2) break;
    if (kind == kWindowScale && length == 3) {
      const uint8_t scale = options.u8();
      return options.ok() ? std::min<uint8_t>(scale, 14) : kNoWindowScale;
    }
    options.skip(length - 2u);
  }
  return kNoWindowScale;
}

}  // namespace

bool source_is_client(const DecodedPacket& decoded) {
  constexpr uint16_t kWellKnownPorts = 1024;
  if (decoded.tcp_flags & kTcpSyn) return (decoded.tcp_flags & kTcpAck) == 0;
  return decoded.source_port >= kWellKnownPorts || decoded.destination_port < kWellKnownPorts;
}

bool TcpConnection::is_replaced_by(Direction direction, const DecodedPacket& decoded) const {
  if ((decoded.tcp_flags & (kTcpSyn | kTcpRst)) != kTcpSyn) return false;
  if (decoded.tcp_flags & kTcpAck) {
    return has_challenge_ && direction != challenge_direction_ &&
           decoded.acknowledgment_number == challenge_sequence_ + 1;
  }
  const TcpStream& stream = streams_[index(direction)];
  if (ignored_) return true;
  if (stream.sent_syn && decoded.sequence_number == stream.initial_sequence) return false;
  const bool one_sided = streams_[1 - index(direction)].flags_seen == 0;
  return closed() || (one_sided && established_);
}

void TcpReassembler::slow_segment(TcpConnection& connection, Direction direction, const Packet& packet,
                                  const DecodedPacket& decoded, Events& events) {
  if (connection.state_ == TcpState::kNone) begin(connection, direction, decoded);
  const SegmentVerdict verdict = validate_segment(connection, direction, decoded);
  ++counters_.verdicts[static_cast<size_t>(verdict)];
  TcpStream& stream = connection.streams_[index(direction)];
  const bool is_syn = decoded.tcp_flags & kTcpSyn;
  switch (verdict) {
    case SegmentVerdict::kNotFollowed:
    case SegmentVerdict::kResetMisplaced:
    case SegmentVerdict::kResetAfterClose:
    case SegmentVerdict::kSynAckMisplaced:
    case SegmentVerdict::kSynAckOfNothing:
      return;
    case SegmentVerdict::kResetAccepted:
      slow_finish(connection, events);
      connection.state_ = TcpState::kReset;
      return;
    case SegmentVerdict::kSynChallenged:
      connection.has_challenge_ = true;
      connection.challenge_sequence_ = decoded.sequence_number;
      connection.challenge_direction_ = direction;
      return;
    case SegmentVerdict::kAccepted:
      if (is_syn) synchronise(connection, direction, packet, decoded);
      break;
    case SegmentVerdict::kBeyondWindow:
    case SegmentVerdict::kBeyondWindowBelieved:
      stream.beyond_window = static_cast<uint8_t>(stream.beyond_window + 1);
      break;
    case SegmentVerdict::kSynRepeated:
      break;
  }
  if (connection.syn_data_waits_) settle_syn_data(connection, direction, decoded, events);
  acknowledge(connection, direction, decoded);
  stream.window = decoded.window;
  if (!stream.started) stream.start(decoded.sequence_number);
  if (is_syn) {
    hold_syn_data(connection, direction, decoded.payload(packet));
  } else if (verdict != SegmentVerdict::kBeyondWindow) {
    const bool has_bytes = decoded.payload_wire_length > 0 || (decoded.tcp_flags & kTcpFin);
    if (verdict == SegmentVerdict::kAccepted && has_bytes && !stream.ended) stream.beyond_window = 0;
    take(connection, direction, packet, decoded, events);
  }
  for (const Direction d : {direction, opposite(direction)}) {
    give_up_hole(connection, d, packet.timestamp_ns, events);
    end_if_complete(connection, d, events);
  }
}

// The first segment of a connection.
void TcpReassembler::begin(TcpConnection& connection, Direction direction, const DecodedPacket& decoded) {
  if (decoded.tcp_flags & (kTcpSyn | kTcpRst)) return;
  ++counters_.midstream;
  connection.midstream_ = true;
  connection.ignored_ = !options_.midstream;
  connection.established_ = options_.midstream;
  connection.state_ = TcpState::kEstablished;
  connection.streams_[index(direction)].start(decoded.sequence_number);
}

// A SYN that begins a stream.
void TcpReassembler::synchronise(TcpConnection& connection, Direction direction, const Packet& packet,
                                 const DecodedPacket& decoded) {
  TcpStream& stream = connection.streams_[index(direction)];
  TcpStream& peer = connection.streams_[1 - index(direction)];
  const bool accepts = decoded.tcp_flags & kTcpAck;
  stream.waiting.reset();  // data of an earlier SYN that this one replaces
  stream.start(decoded.sequence_number + 1);
  stream.sent_syn = true;
  stream.initial_sequence = decoded.sequence_number;
  stream.window_scale = window_scale_option(packet, decoded);
  if (accepts && !peer.started) peer.start(decoded.acknowledgment_number);
  connection.state_ = accepts || peer.sent_syn ? TcpState::kSynReceived : TcpState::kSynSent;
}

void TcpReassembler::acknowledge(TcpConnection& connection, Direction direction, const DecodedPacket& decoded) {
  if ((decoded.tcp_flags & kTcpAck) == 0) return;
  TcpStream& peer = connection.streams_[1 - index(direction)];
  if (!peer.has_acknowledged || sequence_distance(peer.acknowledged, decoded.acknowledgment_number) > 0) {
    peer.acknowledged = decoded.acknowledgment_number;
    peer.has_acknowledged = true;
  }
  const bool handshake = connection.state_ == TcpState::kSynSent || connection.state_ == TcpState::kSynReceived;
  if (!handshake || (decoded.tcp_flags & kTcpSyn)) return;
  // The third segment; or a later one, when the SYN+ACK was not seen.
  if (peer.sent_syn && sequence_distance(peer.initial_sequence, decoded.acknowledgment_number) < 1) return;
  connection.state_ = TcpState::kEstablished;
  connection.established_ = true;
}

// Data in a SYN counts once the server has acknowledged it (RFC 7413), or when the server is not seen to refuse it.
void TcpReassembler::settle_syn_data(TcpConnection& connection, Direction direction, const DecodedPacket& decoded,
                                     Events& events) {
  TcpStream& stream = connection.streams_[index(Direction::kToServer)];
  const bool from_client = direction == Direction::kToServer;
  if (from_client && (decoded.tcp_flags & kTcpSyn)) return;
  connection.syn_data_waits_ = false;
  if (!stream.waiting) return;
  const bool refused =
      !from_client && (decoded.tcp_flags & kTcpAck) && decoded.acknowledgment_number == stream.initial_sequence + 1;
  if (refused) {
    stream.waiting.reset();
  } else {
    drain(stream, Direction::kToServer, events);
  }
}

void TcpReassembler::hold_syn_data(TcpConnection& connection, Direction direction, std::span<const uint8_t> bytes) {
  TcpStream& stream = connection.streams_[index(direction)];
  if (bytes.empty() || direction != Direction::kToServer || connection.state_ != TcpState::kSynSent) return;
  if (!stream.waiting) stream.waiting = pool_.take();
  bool overlapped = false;
  if (!stream.waiting->insert(0, bytes, options_.overlap_policy, overlapped)) ++counters_.over_limit;
  connection.syn_data_waits_ = !stream.waiting->empty();
  if (stream.waiting->empty()) stream.waiting.reset();
}

void TcpReassembler::fin(TcpConnection& connection, Direction direction, uint64_t offset) {
  TcpStream& stream = connection.streams_[index(direction)];
  if (stream.has_fin || (stream.waiting && stream.waiting->end_offset() > offset)) return;
  stream.has_fin = true;
  stream.fin_offset = offset;
  if (connection.state_ < TcpState::kClosing) connection.state_ = TcpState::kClosing;
}

void TcpReassembler::end_if_complete(TcpConnection& connection, Direction direction, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  const TcpStream& peer = connection.streams_[1 - index(direction)];
  if (!stream.has_fin || stream.ended || stream.next_offset < stream.fin_offset) return;
  stream.ended = true;
  stream.waiting.reset();
  events.end(direction);
  if (peer.ended || peer.flags_seen == 0) connection.state_ = TcpState::kClosed;
}

void TcpReassembler::slow_finish(TcpConnection& connection, Events& events) {
  for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
    TcpStream& stream = connection.streams_[index(direction)];
    if (stream.started && !stream.ended) {
      flush(connection, direction, events);
      events.end(direction);
    }
    stream.ended = true;
  }
}

}  // namespace gatetape
