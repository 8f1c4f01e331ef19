#include "storage/format/head_codec.h"

#include <algorithm>
#include <cstring>

#include "storage/format/format.h"

namespace gatetape {
namespace {

void copy_field(uint8_t* to, const uint8_t* from, size_t offset, size_t n) {
  std::memcpy(to + offset, from + offset, n);
}

// Copies the checksums as they are; the rest of the fields are in HeadValues.
void copy_checksums(uint8_t* to, const uint8_t* from, const HeadLayout& layout) {
  if (layout.has(kHeadIpv4)) copy_field(to, from, layout.network_offset + size_t{10}, 2);
  if (layout.has(kHeadTcp)) copy_field(to, from, layout.transport_offset + size_t{16}, 2);
  if (layout.has(kHeadUdp)) copy_field(to, from, layout.transport_offset + size_t{6}, 2);
}

// Calls f(offset in the head, bytes, how many) for the addresses and ports.
template <class F>
void for_each_lane_field(const HeadLayout& layout, Lane& lane_in_network_order, F f) {
  const size_t ip = layout.network_offset, transport = layout.transport_offset;
  Lane& lane = lane_in_network_order;
  if (layout.has(kHeadIpv4)) {
    f(ip + 12, lane.source.bytes.data() + 12, size_t{4});
    f(ip + 16, lane.destination.bytes.data() + 12, size_t{4});
  } else if (layout.has(kHeadIpv6)) {
    f(ip + 8, lane.source.bytes.data(), size_t{16});
    f(ip + 24, lane.destination.bytes.data(), size_t{16});
  }
  if (layout.has(kHeadTcp) || layout.has(kHeadUdp)) {
    f(transport, reinterpret_cast<uint8_t*>(&lane.source_port), size_t{2});
    f(transport + 2, reinterpret_cast<uint8_t*>(&lane.destination_port), size_t{2});
  }
}

Lane in_network_order(Lane lane) {
  lane.source_port = __builtin_bswap16(lane.source_port);
  lane.destination_port = __builtin_bswap16(lane.destination_port);
  return lane;
}

}  // namespace

void HeadStreams::clear() {
  deviations.clear();
  for (ByteSink& field : fields) field.clear();
}

void HeadEncoder::begin(std::span<const Lane> lanes, std::span<const uint16_t> reverse_of) {
  lanes_ = lanes;
  reverse_of_ = reverse_of;
  states_.assign(lanes.size(), LaneState{});
}

namespace {

// Whether the IPv4 header, options included, lies within the head, so that its checksum can be computed.
bool ipv4_header_whole(const uint8_t* head, const HeadLayout& layout) {
  const size_t bytes = ipv4_header_bytes(head + layout.network_offset);
  return bytes >= 20 && layout.network_offset + bytes <= layout.length;
}

bool ip_checksum_right(const uint8_t* head, const HeadLayout& layout) {
  uint16_t own;
  std::memcpy(&own, head + layout.network_offset + 10, 2);
  return ipv4_header_whole(head, layout) && own == ipv4_checksum(head + layout.network_offset);
}

bool transport_checksum_right(const HeadInput& packet) {
  uint16_t own;
  std::memcpy(&own, packet.data + packet.layout.transport_offset + (packet.layout.has(kHeadTcp) ? 16 : 6), 2);
  return own == transport_checksum(packet.data, packet.captured_length, packet.layout);
}

uint64_t encode_checksums(const HeadInput& packet, HeadStreams& out) {
  uint64_t deviations = 0;
  const HeadLayout& layout = packet.layout;
  if (layout.has(kHeadIpv4) && !ip_checksum_right(packet.data, layout)) {
    deviations |= 1u << kIpChecksum;
    out.fields[kIpChecksum].bytes(packet.data + layout.network_offset + 10, 2);
  }
  if ((layout.has(kHeadTcp) || layout.has(kHeadUdp)) && !transport_checksum_right(packet)) {
    deviations |= 1u << kTransportChecksum;
    out.fields[kTransportChecksum].bytes(packet.data + layout.transport_offset + (layout.has(kHeadTcp) ? 16 : 6), 2);
  }
  return deviations;
}

template <class T>
void encode_difference(T actual, T predicted, HeadField field, uint64_t& deviations, HeadStreams& out) {
  if (actual == predicted) return;
  deviations |= 1u << field;
  const auto difference = static_cast<T>(actual - predicted);
  out.fields[field].signed_varint(static_cast<std::make_signed_t<T>>(difference));
}

template <class T>
void decode_difference(T& value, HeadField field, uint64_t deviations, std::array<ByteSource, kHeadFieldCount>& in) {
  if ((deviations >> field & 1) != 0) value = static_cast<T>(value + static_cast<T>(in[field].signed_varint()));
}

void encode_new_head(const HeadInput& packet, const Lane& lane, uint64_t deviations, ByteSink& out) {
  HeadLayout layout = packet.layout;
  uint8_t head[kHeadBytesMax];
  std::memcpy(head, packet.data, layout.length);
  Lane fields = in_network_order(lane);
  bool as_in_lane = layout.has(kHeadIpv4) || layout.has(kHeadIpv6);
  for_each_lane_field(layout, fields, [&](size_t offset, const uint8_t* bytes, size_t n) {
    as_in_lane = as_in_lane && std::memcmp(head + offset, bytes, n) == 0;
  });
  if (as_in_lane) {
    layout.kind |= kHeadAddressesOfLane;
    for_each_lane_field(layout, fields,
                        [&](size_t offset, const uint8_t*, size_t n) { std::memset(head + offset, 0, n); });
  }
  if (layout.has(kHeadIpv4) && (deviations >> kIpChecksum & 1) == 0) put16(head + layout.network_offset + 10, 0);
  if ((layout.has(kHeadTcp) || layout.has(kHeadUdp)) && (deviations >> kTransportChecksum & 1) == 0) {
    put16(transport_checksum_at(head, layout), 0);
  }
  out.varint(layout.length);
  out.put(layout.kind);
  if (layout.has(kHeadIpv4) || layout.has(kHeadIpv6)) out.varint(layout.network_offset);
  if (layout.has(kHeadTcp) || layout.has(kHeadUdp)) out.varint(layout.transport_offset);
  if (layout.has(kHeadTimestamps)) out.varint(layout.timestamp_offset);
  out.bytes(head, layout.length);
}

// Whether the head differs from the lane's last one in nothing but the predicted fields and the checksums.
bool same_but_for_fields(const uint8_t* head, const HeadValues& values, const LaneState& state) {
  uint8_t expected[kHeadBytesMax];
  std::memcpy(expected, state.head, state.layout.length);
  values.write(expected, state.layout);
  copy_checksums(expected, head, state.layout);
  return std::memcmp(expected, head, state.layout.length) == 0;
}

}  // namespace

void HeadEncoder::encode(const HeadInput& packet, HeadStreams& out) {
  LaneState& state = states_[packet.lane];
  uint64_t deviations = encode_checksums(packet, out);
  const HeadValues actual = HeadValues::of(packet.data, packet.layout);
  if (state.head == nullptr || !(state.layout == packet.layout) || !same_but_for_fields(packet.data, actual, state)) {
    encode_new_head(packet, lanes_[packet.lane], deviations, out.fields[kWholeHead]);
    deviations |= 1u << kWholeHead;
  } else {
    const uint16_t reverse = reverse_of_[packet.lane];
    const HeadValues predicted =
        HeadValues::predicted(state, reverse == kNoLane ? nullptr : &states_[reverse], packet.captured_length);
    encode_difference(actual.acknowledgment, predicted.acknowledgment, kAcknowledgment, deviations, out);
    encode_difference(actual.timestamp_value, predicted.timestamp_value, kTimestampValue, deviations, out);
    encode_difference(actual.timestamp_echo, predicted.timestamp_echo, kTimestampEcho, deviations, out);
    encode_difference(actual.window, predicted.window, kWindow, deviations, out);
    if (actual.tcp_flags != predicted.tcp_flags) {
      deviations |= 1u << kTcpFlags;
      out.fields[kTcpFlags].put(actual.tcp_flags);
    }
    encode_difference(actual.ip_id, predicted.ip_id, kIpId, deviations, out);
    encode_difference(actual.sequence, predicted.sequence, kSequence, deviations, out);
    encode_difference(actual.ip_length, predicted.ip_length, kIpLength, deviations, out);
    encode_difference(actual.udp_length, predicted.udp_length, kUdpLength, deviations, out);
  }
  out.deviations.varint(deviations);
  remember(state, packet.data, packet.layout, packet.captured_length);
}

void HeadDecoder::begin(std::span<const Lane> lanes, std::span<const uint16_t> reverse_of,
                        std::span<const uint8_t> deviations, std::span<const std::span<const uint8_t>> fields) {
  lanes_ = lanes;
  reverse_of_ = reverse_of;
  states_.assign(lanes.size(), LaneState{});
  deviations_ = ByteSource(deviations);
  for (size_t i = 0; i < fields_.size(); i++)
    fields_[i] = ByteSource(i < fields.size() ? fields[i] : std::span<const uint8_t>());
}

bool HeadDecoder::new_head(uint16_t lane, uint64_t deviations, uint8_t* data, uint32_t captured_length,
                           HeadLayout& layout) {
  ByteSource& in = fields_[kWholeHead];
  const uint64_t length = in.varint();
  if (length > kHeadBytesMax || length > captured_length) return false;
  layout = {};
  layout.length = static_cast<uint16_t>(length);
  layout.kind = in.get<uint8_t>();
  if (layout.has(kHeadIpv4) || layout.has(kHeadIpv6))
    layout.network_offset = static_cast<uint16_t>(in.varint() & 0x3fff);
  if (layout.has(kHeadTcp) || layout.has(kHeadUdp))
    layout.transport_offset = static_cast<uint16_t>(in.varint() & 0x3fff);
  if (layout.has(kHeadTimestamps)) layout.timestamp_offset = static_cast<uint16_t>(in.varint() & 0x3fff);
  if (!layout.fits()) return false;
  in.bytes(data, length);
  if (!in.ok()) return false;
  if (layout.has(kHeadAddressesOfLane)) {
    Lane fields = in_network_order(lanes_[lane]);
    for_each_lane_field(layout, fields,
                        [&](size_t offset, const uint8_t* bytes, size_t n) { std::memcpy(data + offset, bytes, n); });
    layout.kind &= static_cast<uint8_t>(~kHeadAddressesOfLane);
  }
  const bool checksum_computed = layout.has(kHeadIpv4) && (deviations >> kIpChecksum & 1) == 0;
  return !checksum_computed || ipv4_header_whole(data, layout);
}

void HeadDecoder::next_head(const LaneState& state, const LaneState* reverse, uint64_t deviations, uint8_t* data,
                            uint32_t captured_length) {
  std::memcpy(data, state.head, state.layout.length);
  HeadValues v = HeadValues::predicted(state, reverse, captured_length);
  decode_difference(v.acknowledgment, kAcknowledgment, deviations, fields_);
  decode_difference(v.timestamp_value, kTimestampValue, deviations, fields_);
  decode_difference(v.timestamp_echo, kTimestampEcho, deviations, fields_);
  decode_difference(v.window, kWindow, deviations, fields_);
  if ((deviations >> kTcpFlags & 1) != 0) v.tcp_flags = fields_[kTcpFlags].get<uint8_t>();
  decode_difference(v.ip_id, kIpId, deviations, fields_);
  decode_difference(v.sequence, kSequence, deviations, fields_);
  decode_difference(v.ip_length, kIpLength, deviations, fields_);
  decode_difference(v.udp_length, kUdpLength, deviations, fields_);
  v.write(data, state.layout);
}

bool HeadDecoder::decode(uint16_t lane, uint8_t* data, uint32_t captured_length, HeadLayout& layout,
                         bool& transport_checksum) {
  LaneState& state = states_[lane];
  const uint64_t deviations = deviations_.varint();
  if ((deviations >> kWholeHead & 1) != 0) {
    if (!new_head(lane, deviations, data, captured_length, layout)) return false;
  } else {
    if (state.head == nullptr || state.layout.length > captured_length) return false;
    layout = state.layout;
    const uint16_t reverse = reverse_of_[lane];
    next_head(state, reverse == kNoLane ? nullptr : &states_[reverse], deviations, data, captured_length);
  }
  if (layout.has(kHeadIpv4)) {
    uint8_t* at = data + layout.network_offset + 10;
    if ((deviations >> kIpChecksum & 1) != 0) {
      fields_[kIpChecksum].bytes(at, 2);
    } else {
      if (!ipv4_header_whole(data, layout)) return false;
      const uint16_t checksum = ipv4_checksum(data + layout.network_offset);
      std::memcpy(at, &checksum, 2);
    }
  }
  transport_checksum = false;
  if (layout.has(kHeadTcp) || layout.has(kHeadUdp)) {
    transport_checksum = (deviations >> kTransportChecksum & 1) == 0;
    if (!transport_checksum) fields_[kTransportChecksum].bytes(transport_checksum_at(data, layout), 2);
  }
  remember(state, data, layout, captured_length);
  bool ok = deviations_.ok();
  for (const ByteSource& field : fields_) ok = ok && field.ok();
  return ok;
}

void finish_transport_checksum(uint8_t* data, uint32_t captured_length, const HeadLayout& layout) {
  const uint16_t checksum = transport_checksum(data, captured_length, layout);
  std::memcpy(transport_checksum_at(data, layout), &checksum, 2);
}

}  // namespace gatetape
