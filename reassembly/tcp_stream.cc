#include "reassembly/tcp_stream.h"

#include <algorithm>

#include "common/byte_reader.h"

namespace gatetape {
namespace {

constexpr uint8_t kNoScale = 0xff;
// How far ahead of the delivered bytes a segment may lie: twice the window (window updates may be missed), at least
// this.
constexpr int64_t kWindowMin = 1 << 20;
constexpr int64_t kWindowUnscaled = 64 << 20;  // where the scale is not known
constexpr uint8_t kBeyondWindowMax = 4;        // then the stream is believed to have gone on there

int32_t distance(uint32_t from, uint32_t to) {
  return static_cast<int32_t>(to - from);
}

// The window scale option of a SYN (RFC 7323 section 2.2), kNoScale when there is none.
uint8_t window_scale_option(const Packet& packet, const DecodedPacket& decoded) {
  constexpr uint16_t kFixedHeader = 20;
  constexpr uint8_t kEndOfOptions = 0, kNoOperation = 1, kWindowScale = 3;
  if (decoded.payload_offset < decoded.transport_offset + kFixedHeader) return kNoScale;
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
      return options.ok() ? std::min<uint8_t>(scale, 14) : kNoScale;
    }
    options.skip(length - 2u);
  }
  return kNoScale;
}

// The offset up to which the receiver has acknowledged, which may lie before or after what was delivered.
int64_t acknowledged_offset(const TcpStream& stream) {
  if (!stream.has_acknowledged) return -1;
  const int64_t offset = static_cast<int64_t>(stream.next_offset) + distance(stream.next_sequence, stream.acknowledged);
  // The acknowledgment of a FIN counts one more than there are bytes.
  return stream.has_fin ? std::min(offset, static_cast<int64_t>(stream.fin_offset)) : offset;
}

bool has_acknowledged_to(const TcpStream& stream, uint64_t offset) {
  return acknowledged_offset(stream) >= static_cast<int64_t>(offset);
}

void start(TcpStream& stream, uint32_t sequence) {
  stream.next_sequence = sequence;
  stream.started = true;
}

}  // namespace

// The bytes of one segment at their place in the stream, none of them delivered before.
struct TcpReassembler::Segment {
  uint64_t offset;
  std::span<const uint8_t> bytes;
  uint32_t cut_bytes;  // sent behind `bytes`, but not captured
};

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
  TcpStream& stream = connection.streams_[index(direction)];
  if (connection.state_ == TcpState::kNone) begin(connection, direction, decoded);
  if (connection.ignored_) return;
  if (decoded.tcp_flags & kTcpRst) return reset(connection, direction, decoded, events);
  const bool is_syn = decoded.tcp_flags & kTcpSyn;
  if (is_syn && !synchronise(connection, direction, packet, decoded)) return;
  if (connection.syn_data_waits_) settle_syn_data(connection, direction, decoded, events);
  acknowledge(connection, direction, decoded);
  stream.window = decoded.window;

  if (!stream.started) start(stream, decoded.sequence_number);
  if (is_syn) {
    hold_syn_data(connection, direction, decoded.payload(packet));
  } else {
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
  start(connection.streams_[index(direction)], decoded.sequence_number);
}

// False: the segment is not to be believed.
bool TcpReassembler::synchronise(TcpConnection& connection, Direction direction, const Packet& packet,
                                 const DecodedPacket& decoded) {
  TcpStream& stream = connection.streams_[index(direction)];
  TcpStream& peer = connection.streams_[1 - index(direction)];
  const bool accepts = decoded.tcp_flags & kTcpAck;
  const uint32_t sequence = decoded.sequence_number;
  if (stream.sent_syn && sequence == stream.initial_sequence) return true;  // retransmitted
  if (connection.state_ > TcpState::kSynReceived || (stream.started && connection.state_ != TcpState::kSynSent)) {
    ++counters_.out_of_window;
    if (accepts) return false;
    connection.has_challenge_ = true;
    connection.challenge_sequence_ = sequence;
    connection.challenge_direction_ = direction;
    return false;
  }
  if (accepts && peer.sent_syn && distance(peer.initial_sequence, decoded.acknowledgment_number) < 1) {
    ++counters_.out_of_window;  // accepts a SYN that was never sent
    return false;
  }
  stream.waiting.reset();  // data of an earlier SYN that this one replaces
  start(stream, sequence + 1);
  stream.sent_syn = true;
  stream.initial_sequence = sequence;
  stream.window_scale = window_scale_option(packet, decoded);
  if (accepts && !peer.started) start(peer, decoded.acknowledgment_number);
  connection.state_ = accepts || peer.sent_syn ? TcpState::kSynReceived : TcpState::kSynSent;
  return true;
}

void TcpReassembler::acknowledge(TcpConnection& connection, Direction direction, const DecodedPacket& decoded) {
  if ((decoded.tcp_flags & kTcpAck) == 0) return;
  TcpStream& peer = connection.streams_[1 - index(direction)];
  if (!peer.has_acknowledged || distance(peer.acknowledged, decoded.acknowledgment_number) > 0) {
    peer.acknowledged = decoded.acknowledgment_number;
    peer.has_acknowledged = true;
  }
  const bool handshake = connection.state_ == TcpState::kSynSent || connection.state_ == TcpState::kSynReceived;
  if (!handshake || (decoded.tcp_flags & kTcpSyn)) return;
  // The third segment; or a later one, when the SYN+ACK was not seen.
  if (peer.sent_syn && distance(peer.initial_sequence, decoded.acknowledgment_number) < 1) return;
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

// Takes the bytes of an ordinary segment: cuts them to the new ones, then delivers or keeps them.
void TcpReassembler::take(TcpConnection& connection, Direction direction, const Packet& packet,
                          const DecodedPacket& decoded, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  const bool has_fin = decoded.tcp_flags & kTcpFin;
  if (stream.ended || (decoded.payload_wire_length == 0 && !has_fin)) return;
  std::span<const uint8_t> bytes = decoded.payload(packet);
  int64_t begins = static_cast<int64_t>(stream.next_offset) + distance(stream.next_sequence, decoded.sequence_number);
  const auto next = [&stream] { return static_cast<int64_t>(stream.next_offset); };
  // A stream picked up at a keep-alive probe began one byte early (RFC 9293 section 3.8.4).
  if (begins == 1 && stream.next_offset == 0 && !stream.sent_syn && !stream.waiting) {
    start(stream, decoded.sequence_number);
    begins = 0;
  }
  if (is_beyond_window(connection, direction, begins)) return;
  const int64_t ends = begins + decoded.payload_wire_length;
  if (has_fin && ends >= next()) fin(connection, direction, static_cast<uint64_t>(ends));
  if (ends <= next()) {
    counters_.retransmitted += decoded.payload_wire_length > 0;
    return;
  }
  uint32_t cut_bytes = decoded.payload_wire_length - static_cast<uint32_t>(bytes.size());
  if (begins < next()) {
    ++counters_.overlapping;
    const uint64_t old_bytes = static_cast<uint64_t>(next() - begins);
    if (old_bytes > bytes.size()) return;  // the new part was not captured
    bytes = bytes.subspan(old_bytes);
    begins = next();
  }
  if (stream.has_fin) {  // nothing comes behind a FIN
    const uint64_t room = stream.fin_offset - std::min(static_cast<uint64_t>(begins), stream.fin_offset);
    cut_bytes = static_cast<uint32_t>(std::min<uint64_t>(cut_bytes, room - std::min<uint64_t>(room, bytes.size())));
    bytes = bytes.first(std::min<uint64_t>(bytes.size(), room));
  }
  const Segment segment{static_cast<uint64_t>(begins), bytes, cut_bytes};
  if (segment.offset == stream.next_offset) {
    in_order(connection, direction, segment, events);
  } else {
    wait(connection, direction, segment, events);
  }
}

// How far ahead of what was delivered or acknowledged a segment may lie.
int64_t TcpReassembler::window_limit(const TcpConnection& connection, Direction direction) {
  const TcpStream& stream = connection.streams_[index(direction)];
  const TcpStream& peer = connection.streams_[1 - index(direction)];
  if (!peer.sent_syn || !stream.sent_syn) return kWindowUnscaled;
  const bool scaled = stream.window_scale != kNoScale && peer.window_scale != kNoScale;
  return std::max(int64_t{peer.window} << (scaled ? peer.window_scale + 1 : 1), kWindowMin);
}

bool TcpReassembler::is_beyond_window(TcpConnection& connection, Direction direction, int64_t begins) {
  TcpStream& stream = connection.streams_[index(direction)];
  const int64_t from = std::max(static_cast<int64_t>(stream.next_offset), acknowledged_offset(stream));
  if (begins - from <= window_limit(connection, direction)) {
    stream.beyond_window = 0;
    return false;
  }
  ++counters_.out_of_window;
  // Where no receiver is seen to confirm that so much was lost, several such segments do.
  return connection.streams_[1 - index(direction)].flags_seen != 0 || ++stream.beyond_window < kBeyondWindowMax;
}

// The hole is being filled, while bytes behind it wait. What waits came first: it stays, unless the policy says
// otherwise.
void TcpReassembler::in_order(TcpConnection& connection, Direction direction, const Segment& segment, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  std::span<const uint8_t> bytes = segment.bytes;
  if (stream.waiting && stream.waiting->overwrite(segment.offset, bytes, options_.overlap_policy)) {
    ++counters_.overlapping;
  }
  const uint64_t end = segment.offset + bytes.size();
  while (stream.next_offset < end) {
    const uint64_t hole_end = stream.waiting ? std::min(stream.waiting->first_offset(), end) : end;
    const uint64_t at = stream.next_offset - segment.offset;
    deliver(stream, direction, bytes.subspan(at, hole_end - stream.next_offset), events);
    drain(stream, direction, events);
  }
  if (segment.cut_bytes > 0 && stream.next_offset < end + segment.cut_bytes) {
    const uint64_t cut_end = end + segment.cut_bytes;
    skip_to(connection, direction, stream.waiting ? std::min(stream.waiting->first_offset(), cut_end) : cut_end,
            events);
  }
}

// The segment lies behind a hole.
void TcpReassembler::wait(TcpConnection& connection, Direction direction, const Segment& segment, Events& events) {
  if (segment.bytes.empty()) return;
  TcpStream& stream = connection.streams_[index(direction)];
  ++counters_.out_of_order;
  if (!stream.waiting) stream.waiting = pool_.take();
  bool overlapped = false;
  const bool taken = stream.waiting->insert(segment.offset, segment.bytes, options_.overlap_policy, overlapped);
  counters_.overlapping += overlapped;
  if (taken) return;

  ++counters_.over_limit;
  const bool one_sided = connection.streams_[1 - index(direction)].flags_seen == 0;
  // Each turn ends a hole, until the segment is reached.
  while (stream.next_offset < segment.offset) {
    const uint64_t hole_end = stream.waiting && !stream.waiting->empty()
                                  ? std::min(stream.waiting->first_offset(), segment.offset)
                                  : segment.offset;
    if (!one_sided && !has_acknowledged_to(stream, hole_end)) break;
    skip_to(connection, direction, hole_end, events);
  }
  if (stream.waiting && stream.waiting->empty()) stream.waiting.reset();
  if (stream.next_offset < segment.offset) return;
  const uint64_t old_bytes = stream.next_offset - segment.offset;
  if (old_bytes < segment.bytes.size()) {
    in_order(connection, direction, {stream.next_offset, segment.bytes.subspan(old_bytes), 0}, events);
  }
}

// Ends the hole before what waits, or before the FIN, when nobody will fill it any more.
void TcpReassembler::give_up_hole(TcpConnection& connection, Direction direction, int64_t now_ns, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  if (connection.syn_data_waits_ && direction == Direction::kToServer) return;
  while (stream.waiting || (stream.has_fin && !stream.ended && stream.next_offset < stream.fin_offset)) {
    const uint64_t hole_end = stream.waiting ? stream.waiting->first_offset() : stream.fin_offset;
    if (stream.hole_since_ns == 0) stream.hole_since_ns = now_ns;
    if (connection.streams_[1 - index(direction)].flags_seen == 0) {
      if (now_ns - stream.hole_since_ns < options_.one_sided_patience_ns) return;
    } else {
      if (!has_acknowledged_to(stream, hole_end)) return;
      if (stream.acknowledged_since_ns == 0) stream.acknowledged_since_ns = now_ns;
      if (now_ns - stream.acknowledged_since_ns < options_.reorder_patience_ns) return;
    }
    skip_to(connection, direction, hole_end, events);
  }
}

void TcpReassembler::skip_to(TcpConnection& connection, Direction direction, uint64_t offset, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  const uint64_t length = offset - stream.next_offset;
  const int64_t acknowledged = acknowledged_offset(stream) - static_cast<int64_t>(stream.next_offset);
  const uint64_t unseen = std::min(length, static_cast<uint64_t>(std::max<int64_t>(acknowledged, 0)));
  ++counters_.gaps;
  counters_.gap_bytes += length;
  counters_.acknowledged_unseen_bytes += unseen;
  stream.gap_bytes += unseen;
  stream.next_sequence += static_cast<uint32_t>(length);
  stream.next_offset = offset;
  events.gap(direction, length);
  drain(stream, direction, events);
}

void TcpReassembler::deliver(TcpStream& stream, Direction direction, std::span<const uint8_t> bytes, Events& events) {
  if (bytes.empty()) return;
  const uint64_t offset = stream.next_offset;
  stream.next_sequence += static_cast<uint32_t>(bytes.size());
  stream.next_offset += bytes.size();
  events.bytes(direction, bytes, offset);
}

// Delivers what waits and is next.
void TcpReassembler::drain(TcpStream& stream, Direction direction, Events& events) {
  stream.hole_since_ns = stream.acknowledged_since_ns = 0;
  if (!stream.waiting) return;
  stream.waiting->discard_before(stream.next_offset);
  while (!stream.waiting->empty() && stream.waiting->first_offset() == stream.next_offset) {
    deliver(stream, direction, stream.waiting->front(), events);
    stream.waiting->pop();
  }
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

// Only an RST that the receiver would obey ends the connection (RFC 5961 section 3): at exactly the next sequence
// number, as far as this sensor can tell it.
void TcpReassembler::reset(TcpConnection& connection, Direction direction, const DecodedPacket& decoded,
                           Events& events) {
  const TcpStream& stream = connection.streams_[index(direction)];
  const TcpStream& peer = connection.streams_[1 - index(direction)];
  if (connection.closed()) return;
  const uint32_t sequence = decoded.sequence_number;
  const uint64_t waiting_end =
      stream.waiting && !stream.waiting->empty() ? stream.waiting->end_offset() : stream.next_offset;
  const bool is_next = stream.started && (sequence == stream.next_sequence ||
                                          sequence - stream.next_sequence == waiting_end - stream.next_offset ||
                                          (stream.has_fin && sequence == stream.next_sequence + 1));
  const bool is_acknowledged = stream.has_acknowledged && sequence == stream.acknowledged;
  const bool refuses = !stream.started && (decoded.tcp_flags & kTcpAck) && peer.started &&
                       decoded.acknowledgment_number == peer.next_sequence;
  if (!is_next && !is_acknowledged && !refuses) {
    ++counters_.resets_ignored;
    return;
  }
  slow_finish(connection, events);
  connection.state_ = TcpState::kReset;
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

// Delivers what waits, and the gap behind it when the receiver has acknowledged more.
void TcpReassembler::flush(TcpConnection& connection, Direction direction, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  connection.syn_data_waits_ = false;
  drain(stream, direction, events);
  while (stream.waiting) skip_to(connection, direction, stream.waiting->first_offset(), events);
  const int64_t behind = acknowledged_offset(stream) - static_cast<int64_t>(stream.next_offset);
  // One unit behind everything is the FIN, when none was seen; far more was never sent.
  const bool is_fin = behind == 1 && !stream.has_fin;
  if (behind <= 0 || is_fin || behind > window_limit(connection, direction)) return;
  skip_to(connection, direction, stream.next_offset + static_cast<uint64_t>(behind), events);
}

}  // namespace gatetape
