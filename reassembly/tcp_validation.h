// Whether a receiver would believe a TCP segment, as far as somebody beside the wire can tell.
//
// validate_segment() looks at the connection and the segment and changes nothing. The reassembler acts on the verdict
// and counts it. Segments that are next in an established connection do not come here: they are valid by the same
// rules, and take the inlined path (TcpReassembler::is_in_order).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "packet/decode.h"
#include "packet/flow_key.h"
#include "reassembly/tcp_connection.h"

namespace gatetape {

enum class SegmentVerdict : uint8_t {
  // All of the segment counts.
  kAccepted,
  // The connection was begun in the middle, which the options do not allow. Nothing of the segment counts.
  kNotFollowed,

  // An RST at the next sequence number, behind the bytes that wait, behind a FIN, or where the receiver has
  // acknowledged to; or one that answers a SYN and acknowledges it (RFC 9293 sections 3.10.7.3 and 3.10.7.4, RFC 5961
  // section 3.2). The connection ends.
  kResetAccepted,
  // An RST anywhere else, for which a receiver sends a challenge ACK or nothing (RFC 5961 section 3.2). Nothing counts.
  kResetMisplaced,
  // An RST of a connection that has closed. Nothing counts.
  kResetAfterClose,

  // The SYN that was seen before, again: acknowledgment and data count as in the first (RFC 9293 section 3.10.7.4).
  kSynRepeated,
  // A SYN without ACK in an open connection. It proves nothing: a receiver answers with a challenge ACK (RFC 5961
  // section 4.2). Nothing counts, but should the peer accept it, a new connection has begun
  // (TcpConnection::is_replaced_by).
  kSynChallenged,
  // A SYN+ACK in an open connection that accepts no challenged SYN. Nothing counts.
  kSynAckMisplaced,
  // A SYN+ACK that acknowledges no more than the peer's SYN was numbered, and so accepts a SYN that was never sent
  // (RFC 9293 section 3.10.7.3). Nothing counts.
  kSynAckOfNothing,

  // The bytes lie farther ahead than the receiver's window allows (RFC 9293 section 3.4, RFC 7323 section 2.3), twice
  // the last one seen, since window updates may have been missed. Acknowledgment and window count, bytes and FIN do
  // not.
  kBeyondWindow,
  // As kBeyondWindow, but several such segments came in a row, and no receiver is seen who could confirm that so much
  // was lost: the stream is believed to have gone on there. All of the segment counts.
  kBeyondWindowBelieved,
};
inline constexpr size_t kSegmentVerdictCount = 11;

// The verdict in words of the code: "accepted", "reset_misplaced", ...
const char* to_string(SegmentVerdict verdict);

// Precondition: a TCP packet with has_transport, not a fragment, of a connection whose state is kNone only where the
// segment is a SYN or an RST.
SegmentVerdict validate_segment(const TcpConnection& connection, Direction direction, const DecodedPacket& decoded);

// How far ahead of the bytes that were delivered or acknowledged a segment of this direction may lie.
int64_t tcp_window_limit(const TcpConnection& connection, Direction direction);

}  // namespace gatetape
