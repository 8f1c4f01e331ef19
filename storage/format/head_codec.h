// Packet heads as deviations from what the packet before in the lane predicts (FORMAT.md, packet columns). Writer and
// reader go through the same predictions in the same order, so the bytes come back exactly, whatever they were.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "storage/format/byte_order.h"
#include "storage/format/lane.h"

namespace gatetape {

enum HeadField : int {
  kWholeHead,
  kAcknowledgment,
  kTimestampValue,
  kTimestampEcho,
  kWindow,
  kTcpFlags,
  kIpId,
  kSequence,
  kIpLength,
  kIpChecksum,
  kTransportChecksum,
  kUdpLength,
};
inline constexpr int kHeadFieldCount = 12;

enum HeadKind : uint8_t {
  kHeadIpv4 = 1,
  kHeadIpv6 = 2,
  kHeadTcp = 4,
  kHeadUdp = 8,
  kHeadTimestamps = 16,
  kHeadAddressesOfLane = 32,
};

// Where the fields are in a head; offsets from the frame's first byte.
struct HeadLayout {
  uint16_t length = 0;
  uint16_t network_offset = 0;
  uint16_t transport_offset = 0;
  uint16_t timestamp_offset = 0;
  uint8_t kind = 0;

  // What the decoder found, as far as the bytes bear it out.
  static HeadLayout of(const Packet& packet, const DecodedPacket& decoded);
  bool fits() const;  // all fields lie within length
  bool has(HeadKind k) const { return (kind & k) != 0; }
  friend bool operator==(const HeadLayout&, const HeadLayout&) = default;
};

// A packet to be written: head and payload are in one piece at `data`.
struct HeadInput {
  const uint8_t* data;
  uint32_t captured_length;
  HeadLayout layout;
  uint16_t lane;
};

// What is known of each lane from its packets so far. Points to the heads where they lie.
struct LaneState {
  const uint8_t* head = nullptr;  // of the packet before; nullptr: none
  HeadLayout layout;
  uint32_t captured_length = 0;
  uint32_t next_sequence = 0;
  uint32_t timestamp_value = 0;
};

// The streams 5.. of the packet columns: deviations, new heads, then one per field.
struct HeadStreams {
  ByteSink deviations;
  std::array<ByteSink, kHeadFieldCount> fields;
  void clear();
};

class HeadEncoder {
 public:
  // `lanes` and `reverse_of` describe the frame; all must outlive the encoder's use.
  void begin(std::span<const Lane> lanes, std::span<const uint16_t> reverse_of);
  void encode(const HeadInput& packet, HeadStreams& out);

 private:
  std::span<const Lane> lanes_;
  std::span<const uint16_t> reverse_of_;
  std::vector<LaneState> states_;
};

class HeadDecoder {
 public:
  void begin(std::span<const Lane> lanes, std::span<const uint16_t> reverse_of, std::span<const uint8_t> deviations,
             std::span<const std::span<const uint8_t>> fields);
  // Writes the head of the lane's next packet to `data`, which has room for `captured_length` bytes and stays where it
  // is until the frame is done. False: damaged. `transport_checksum` says that finish_checksum() must be called once
  // the payload stands behind the head.
  bool decode(uint16_t lane, uint8_t* data, uint32_t captured_length, HeadLayout& layout, bool& transport_checksum);

 private:
  bool new_head(uint16_t lane, uint64_t deviations, uint8_t* data, uint32_t captured_length, HeadLayout& layout);
  void next_head(const LaneState& state, const LaneState* reverse, uint64_t deviations, uint8_t* data,
                 uint32_t captured_length);

  std::span<const Lane> lanes_;
  std::span<const uint16_t> reverse_of_;
  std::vector<LaneState> states_;
  ByteSource deviations_;
  std::array<ByteSource, kHeadFieldCount> fields_;
};

// Writes the right TCP or UDP checksum into a packet whose bytes are all there.
void finish_transport_checksum(uint8_t* data, uint32_t captured_length, const HeadLayout& layout);

}  // namespace gatetape
