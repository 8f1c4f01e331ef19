// The fields of a head that are predicted, and the predictions, in one place for writer and reader: both must come to
// the same. Internal to head_codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "packet/decode.h"
#include "storage/format/head_layout.h"

namespace gatetape {

inline uint16_t get16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return __builtin_bswap16(v);
}
inline uint32_t get32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}
inline void put16(uint8_t* p, uint16_t v) {
  v = __builtin_bswap16(v);
  std::memcpy(p, &v, 2);
}
inline void put32(uint8_t* p, uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(p, &v, 4);
}

// Sum of 16-bit words as they lie in memory, not folded (RFC 1071 section 2: byte order does not matter to it).
inline uint64_t sum_words(const uint8_t* p, size_t n) {
  uint64_t sum = 0, carries = 0;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t v;
    std::memcpy(&v, p + i, 8);
    carries += __builtin_add_overflow(sum, v, &sum);
  }
  uint64_t rest = 0;
  if (i < n) std::memcpy(&rest, p + i, n - i);
  carries += __builtin_add_overflow(sum, rest, &sum);
  return (sum & 0xffffffff) + (sum >> 32) + carries;  // a carry out of 64 bits counts one, as out of 16
}

inline uint16_t fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

inline size_t ipv4_header_bytes(const uint8_t* ip) {
  return size_t{4} * (ip[0] & 15u);
}

// The checksum that belongs at +10, in memory order; the header's own is left out of the sum.
inline uint16_t ipv4_checksum(const uint8_t* ip) {
  uint16_t own;
  std::memcpy(&own, ip + 10, 2);
  return static_cast<uint16_t>(~fold(sum_words(ip, ipv4_header_bytes(ip)) + 0xffff - own));
}

inline uint8_t* transport_checksum_at(uint8_t* data, const HeadLayout& layout) {
  return data + layout.transport_offset + (layout.has(kHeadTcp) ? 16 : 6);
}

// The TCP or UDP checksum over everything from the transport header on, in memory order.
inline uint16_t transport_checksum(const uint8_t* data, uint32_t captured_length, const HeadLayout& layout) {
  const uint8_t* ip = data + layout.network_offset;
  const uint32_t length = captured_length - layout.transport_offset;
  const bool v4 = layout.has(kHeadIpv4);
  uint64_t sum = sum_words(ip + (v4 ? 12 : 8), v4 ? 8 : 32);
  sum += __builtin_bswap32(length);
  sum += __builtin_bswap16(layout.has(kHeadTcp) ? kProtocolTcp : kProtocolUdp);
  uint16_t own;
  std::memcpy(&own, data + layout.transport_offset + (layout.has(kHeadTcp) ? 16 : 6), 2);
  sum += sum_words(data + layout.transport_offset, length) + 0xffff - own;
  const auto checksum = static_cast<uint16_t>(~fold(sum));
  return checksum == 0 && layout.has(kHeadUdp) ? 0xffff : checksum;
}

// The newest packet of a lane, and what it makes the next ones likely to say. Points to the head where it lies.
struct LaneState {
  const uint8_t* head = nullptr;  // nullptr: there was no packet yet
  HeadLayout layout;
  uint32_t captured_length = 0;
  uint32_t next_sequence = 0;
  uint32_t timestamp_value = 0;
};

// The fields that are predicted, in one place for both directions.
struct HeadValues {
  uint32_t acknowledgment = 0, timestamp_value = 0, timestamp_echo = 0, sequence = 0;
  uint16_t window = 0, ip_id = 0, ip_length = 0, udp_length = 0;
  uint8_t tcp_flags = 0;

  static HeadValues of(const uint8_t* head, const HeadLayout& layout) {
    HeadValues v;
    const uint8_t* ip = head + layout.network_offset;
    const uint8_t* transport = head + layout.transport_offset;
    if (layout.has(kHeadIpv4)) {
      v.ip_length = get16(ip + 2);
      v.ip_id = get16(ip + 4);
    } else if (layout.has(kHeadIpv6)) {
      v.ip_length = get16(ip + 4);
    }
    if (layout.has(kHeadTcp)) {
      v.sequence = get32(transport + 4);
      v.acknowledgment = get32(transport + 8);
      v.tcp_flags = transport[13];
      v.window = get16(transport + 14);
    } else if (layout.has(kHeadUdp)) {
      v.udp_length = get16(transport + 4);
    }
    if (layout.has(kHeadTimestamps)) {
      v.timestamp_value = get32(head + layout.timestamp_offset);
      v.timestamp_echo = get32(head + layout.timestamp_offset + 4);
    }
    return v;
  }

  void write(uint8_t* head, const HeadLayout& layout) const {
    uint8_t* ip = head + layout.network_offset;
    uint8_t* transport = head + layout.transport_offset;
    if (layout.has(kHeadIpv4)) {
      put16(ip + 2, ip_length);
      put16(ip + 4, ip_id);
    } else if (layout.has(kHeadIpv6)) {
      put16(ip + 4, ip_length);
    }
    if (layout.has(kHeadTcp)) {
      put32(transport + 4, sequence);
      put32(transport + 8, acknowledgment);
      transport[13] = tcp_flags;
      put16(transport + 14, window);
    } else if (layout.has(kHeadUdp)) {
      put16(transport + 4, udp_length);
    }
    if (layout.has(kHeadTimestamps)) {
      put32(head + layout.timestamp_offset, timestamp_value);
      put32(head + layout.timestamp_offset + 4, timestamp_echo);
    }
  }

  // A field that the head does not have stays 0, in of() as well.
  static HeadValues predicted(const LaneState& lane, const LaneState* reverse, uint32_t captured_length) {
    const HeadLayout& layout = lane.layout;
    HeadValues v = of(lane.head, layout);
    const auto grown = static_cast<uint16_t>(captured_length - lane.captured_length);
    if (layout.has(kHeadIpv4)) v.ip_id = static_cast<uint16_t>(v.ip_id + 1);
    if (layout.has(kHeadIpv4) || layout.has(kHeadIpv6)) v.ip_length = static_cast<uint16_t>(v.ip_length + grown);
    if (layout.has(kHeadUdp)) v.udp_length = static_cast<uint16_t>(v.udp_length + grown);
    if (layout.has(kHeadTcp)) v.sequence = lane.next_sequence;
    if (reverse == nullptr || reverse->head == nullptr) return v;
    if (layout.has(kHeadTcp) && reverse->layout.has(kHeadTcp)) v.acknowledgment = reverse->next_sequence;
    if (layout.has(kHeadTimestamps) && reverse->layout.has(kHeadTimestamps))
      v.timestamp_echo = reverse->timestamp_value;
    return v;
  }
};

inline void remember(LaneState& state, const uint8_t* head, const HeadLayout& layout, uint32_t captured_length) {
  state.head = head;
  state.layout = layout;
  state.captured_length = captured_length;
  const HeadValues v = HeadValues::of(head, layout);
  if (layout.has(kHeadTcp)) {
    state.next_sequence = v.sequence + (captured_length - layout.length) + ((v.tcp_flags & kTcpSyn) != 0) +
                          ((v.tcp_flags & kTcpFin) != 0);
  }
  state.timestamp_value = v.timestamp_value;
}

}  // namespace gatetape
