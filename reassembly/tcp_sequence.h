// Arithmetic on sequence numbers (RFC 9293 section 3.4), which wrap around, and on the offsets that they stand for.
#pragma once

#include <algorithm>
#include <cstdint>

#include "reassembly/tcp_connection.h"

namespace gatetape {

inline constexpr uint8_t kNoWindowScale = 0xff;

inline int32_t sequence_distance(uint32_t from, uint32_t to) {
  return static_cast<int32_t>(to - from);
}

// The offset up to which the receiver has acknowledged, which may lie before or after the delivered bytes; -1 when it
// has acknowledged nothing.
inline int64_t acknowledged_offset(const TcpStream& stream) {
  if (!stream.has_acknowledged) return -1;
  const int64_t offset =
      static_cast<int64_t>(stream.next_offset) + sequence_distance(stream.next_sequence, stream.acknowledged);
  // The acknowledgment of a FIN counts one more than there are bytes.
  return stream.has_fin ? std::min(offset, static_cast<int64_t>(stream.fin_offset)) : offset;
}

inline bool has_acknowledged_to(const TcpStream& stream, uint64_t offset) {
  return acknowledged_offset(stream) >= static_cast<int64_t>(offset);
}

}  // namespace gatetape
