// The bytes of streams: delivered, kept behind a hole, or given up as a gap.
#include <algorithm>

#include "reassembly/tcp_sequence.h"
#include "reassembly/tcp_stream.h"

namespace gatetape {

// The bytes of one segment at their place in the stream, none of them delivered before.
struct TcpReassembler::Segment {
  uint64_t offset;
  std::span<const uint8_t> bytes;
  uint32_t cut_bytes;  // sent behind `bytes`, but not captured
};

// Takes the bytes of an ordinary segment: cut to those that are new, then delivered or kept.
void TcpReassembler::take(TcpConnection& connection, Direction direction, const Packet& packet,
                          const DecodedPacket& decoded, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  const bool has_fin = decoded.tcp_flags & kTcpFin;
  if (stream.ended || (decoded.payload_wire_length == 0 && !has_fin)) return;
  std::span<const uint8_t> bytes = decoded.payload(packet);
  int64_t begins =
      static_cast<int64_t>(stream.next_offset) + sequence_distance(stream.next_sequence, decoded.sequence_number);
  const auto next = [&stream] { return static_cast<int64_t>(stream.next_offset); };
  // A stream picked up at a keep-alive probe began one byte early (RFC 9293 section 3.8.4).
  if (begins == 1 && stream.next_offset == 0 && !stream.sent_syn && !stream.waiting) {
    stream.start(decoded.sequence_number);
    begins = 0;
  }
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

// The hole is being filled, while bytes behind it wait. Those came first and stay, unless the policy says otherwise.
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

// Delivers what waits, and the gap behind it when the receiver has acknowledged more.
void TcpReassembler::flush(TcpConnection& connection, Direction direction, Events& events) {
  TcpStream& stream = connection.streams_[index(direction)];
  connection.syn_data_waits_ = false;
  drain(stream, direction, events);
  while (stream.waiting) skip_to(connection, direction, stream.waiting->first_offset(), events);
  const int64_t behind = acknowledged_offset(stream) - static_cast<int64_t>(stream.next_offset);
  // One unit behind everything is the FIN, when none was seen; far more was never sent.
  const bool is_fin = behind == 1 && !stream.has_fin;
  if (behind <= 0 || is_fin || behind > tcp_window_limit(connection, direction)) return;
  skip_to(connection, direction, stream.next_offset + static_cast<uint64_t>(behind), events);
}

}  // namespace gatetape
