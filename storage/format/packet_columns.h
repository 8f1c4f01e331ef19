// A frame's packets without their payloads, as columns (FORMAT.md, packet columns). Any frames of bytes come back
// exactly.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/compression.h"
#include "storage/format/format.h"
#include "storage/format/head_codec.h"
#include "storage/format/lane.h"

namespace gatetape {

// What is kept of a packet beside its bytes.
struct PacketRow {
  uint64_t ordinal = 0;
  int64_t timestamp_ns = 0;
  uint32_t offset = 0;  // of its bytes in the frame's buffer
  uint32_t captured_length = 0;
  uint32_t wire_length = 0;
  uint16_t lane = 0;
  HeadLayout layout;
  bool transport_checksum = false;  // reader: to be computed once the payload is there

  uint32_t payload_length() const { return captured_length - layout.length; }
};

class PacketColumnsWriter {
 public:
  // Appends the section. Rows are in order of arrival, their bytes in `buffer`.
  void encode(const FrameHeader& header, std::span<const PacketRow> rows, const uint8_t* buffer,
              std::span<const Lane> lanes, std::span<const uint16_t> reverse_of, Compressor& compressor, ByteSink& out);

 private:
  void encode_order(const FrameHeader& header, std::span<const PacketRow> rows, size_t lanes);
  void encode_lengths(std::span<const PacketRow> rows, size_t lanes);

  ByteSink lane_, ordinal_, time_, captured_, missing_;
  HeadStreams heads_;
  HeadEncoder head_encoder_;
  std::vector<uint32_t> last_captured_;
};

class PacketColumnsReader {
 public:
  // Fills `rows` and writes the heads to `buffer`, where each packet has room for its payload behind its head. False:
  // damaged.
  bool decode(std::span<const uint8_t> section, const FrameHeader& header, std::span<const Lane> lanes,
              std::span<const uint16_t> reverse_of, Decompressor& decompressor, std::vector<PacketRow>& rows,
              std::vector<uint8_t>& buffer);

 private:
  static constexpr int kStreams = 6 + kHeadFieldCount;
  bool read_streams(std::span<const uint8_t> section, Decompressor& decompressor);
  bool decode_order(const FrameHeader& header, size_t lanes, std::vector<PacketRow>& rows);
  bool decode_lengths(const FrameHeader& header, size_t lanes, std::vector<PacketRow>& rows);

  std::array<std::span<const uint8_t>, kStreams> streams_;
  std::vector<uint8_t> scratch_;
  HeadDecoder head_decoder_;
  std::vector<uint32_t> last_captured_;
};

}  // namespace gatetape
