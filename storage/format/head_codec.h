// Packet heads as deviations from what the packet before in the lane predicts (FORMAT.md, packet columns). Writer and
// reader go through the same predictions in the same order, so the bytes come back exactly, whatever they were.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "storage/format/byte_order.h"
#include "storage/format/head_layout.h"
#include "storage/format/head_values.h"
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

// A packet to be written: head and payload are in one piece at `data`.
struct HeadInput {
  const uint8_t* data;
  uint32_t captured_length;
  HeadLayout layout;
  uint16_t lane;
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
