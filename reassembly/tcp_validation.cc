#include "reassembly/tcp_validation.h"

#include <algorithm>
#include <iterator>

#include "reassembly/tcp_sequence.h"

namespace gatetape {
namespace {

constexpr int64_t kWindowMin = 1 << 20;        // the least that a window is taken to be
constexpr int64_t kWindowUnscaled = 64 << 20;  // where the scale is not known
constexpr uint8_t kBeyondWindowMax = 4;        // segments in a row until they are believed

SegmentVerdict validate_reset(const TcpConnection& connection, Direction direction, const DecodedPacket& decoded) {
  if (connection.closed()) return SegmentVerdict::kResetAfterClose;
  const TcpStream& stream = connection.stream(direction);
  const TcpStream& peer = connection.stream(opposite(direction));
  const uint32_t sequence = decoded.sequence_number;
  const uint64_t waiting_end =
      stream.waiting && !stream.waiting->empty() ? stream.waiting->end_offset() : stream.next_offset;
  const bool is_next = stream.started && (sequence == stream.next_sequence ||
                                          sequence - stream.next_sequence == waiting_end - stream.next_offset ||
                                          (stream.has_fin && sequence == stream.next_sequence + 1));
  const bool is_acknowledged = stream.has_acknowledged && sequence == stream.acknowledged;
  const bool refuses = !stream.started && (decoded.tcp_flags & kTcpAck) && peer.started &&
                       decoded.acknowledgment_number == peer.next_sequence;
  return is_next || is_acknowledged || refuses ? SegmentVerdict::kResetAccepted : SegmentVerdict::kResetMisplaced;
}

SegmentVerdict validate_syn(const TcpConnection& connection, Direction direction, const DecodedPacket& decoded) {
  const TcpStream& stream = connection.stream(direction);
  const TcpStream& peer = connection.stream(opposite(direction));
  const TcpState state = connection.state();
  const bool accepts = decoded.tcp_flags & kTcpAck;
  if (stream.sent_syn && decoded.sequence_number == stream.initial_sequence) return SegmentVerdict::kSynRepeated;
  if (state > TcpState::kSynReceived || (stream.started && state != TcpState::kSynSent)) {
    return accepts ? SegmentVerdict::kSynAckMisplaced : SegmentVerdict::kSynChallenged;
  }
  if (accepts && peer.sent_syn && sequence_distance(peer.initial_sequence, decoded.acknowledgment_number) < 1) {
    return SegmentVerdict::kSynAckOfNothing;
  }
  return SegmentVerdict::kAccepted;
}

// `next_offset` and `next_sequence` are the place of the stream once the segment's acknowledgment has counted.
SegmentVerdict validate_bytes(const TcpConnection& connection, Direction direction, const DecodedPacket& decoded,
                              uint64_t next_offset, uint32_t next_sequence) {
  const TcpStream& stream = connection.stream(direction);
  const bool has_fin = decoded.tcp_flags & kTcpFin;
  if (stream.ended || (decoded.payload_wire_length == 0 && !has_fin)) return SegmentVerdict::kAccepted;
  const auto offset_of = [&](uint32_t sequence) {
    return static_cast<int64_t>(next_offset) + sequence_distance(next_sequence, sequence);
  };
  int64_t acknowledged = stream.has_acknowledged ? offset_of(stream.acknowledged) : -1;
  if (stream.has_acknowledged && stream.has_fin) {
    acknowledged = std::min(acknowledged, static_cast<int64_t>(stream.fin_offset));
  }
  const int64_t from = std::max(static_cast<int64_t>(next_offset), acknowledged);
  if (offset_of(decoded.sequence_number) - from <= tcp_window_limit(connection, direction)) {
    return SegmentVerdict::kAccepted;
  }
  const bool receiver_is_seen = connection.flags_seen(opposite(direction)) != 0;
  const auto in_a_row = static_cast<uint8_t>(stream.beyond_window + 1);
  return receiver_is_seen || in_a_row < kBeyondWindowMax ? SegmentVerdict::kBeyondWindow
                                                         : SegmentVerdict::kBeyondWindowBelieved;
}

}  // namespace

const char* to_string(SegmentVerdict verdict) {
  static constexpr const char* kNames[] = {
      "accepted",           "not_followed",  "reset_accepted",         "reset_misplaced",
      "reset_after_close",  "syn_repeated",  "syn_challenged",         "syn_ack_misplaced",
      "syn_ack_of_nothing", "beyond_window", "beyond_window_believed",
  };
  static_assert(std::size(kNames) == kSegmentVerdictCount);
  return kNames[static_cast<size_t>(verdict)];
}

SegmentVerdict validate_segment(const TcpConnection& connection, Direction direction, const DecodedPacket& decoded) {
  if (connection.ignored_) return SegmentVerdict::kNotFollowed;
  if (decoded.tcp_flags & kTcpRst) return validate_reset(connection, direction, decoded);
  if (decoded.tcp_flags & kTcpSyn) return validate_syn(connection, direction, decoded);
  const TcpStream& stream = connection.stream(direction);
  // Where nothing was seen of the direction yet, its stream begins here.
  uint32_t next_sequence = stream.started ? stream.next_sequence : decoded.sequence_number;
  uint64_t next_offset = stream.next_offset;
  // The client goes on behind the data of its SYN: that data counts from now on (RFC 7413 section 2), and is delivered.
  if (connection.syn_data_waits_ && direction == Direction::kToServer && stream.waiting) {
    next_sequence += static_cast<uint32_t>(stream.waiting->end_offset() - next_offset);
    next_offset = stream.waiting->end_offset();
  }
  return validate_bytes(connection, direction, decoded, next_offset, next_sequence);
}

int64_t tcp_window_limit(const TcpConnection& connection, Direction direction) {
  const TcpStream& stream = connection.stream(direction);
  const TcpStream& peer = connection.stream(opposite(direction));
  if (!peer.sent_syn || !stream.sent_syn) return kWindowUnscaled;
  const bool scaled = stream.window_scale != kNoWindowScale && peer.window_scale != kNoWindowScale;
  return std::max(int64_t{peer.window} << (scaled ? peer.window_scale + 1 : 1), kWindowMin);
}

}  // namespace gatetape
