// A frame's packets without their payloads, as columns (FORMAT.md, packet columns). Any bytes come back exactly.
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

// The facts about a packet beside its bytes.
struct PacketRow {
  uint64_t ordinal = 0;
  int64_t timestamp_ns = 0;
  uint32_t offset = 0;  // where its bytes are in the frame's buffer
  uint32_t captured_length = 0;
  uint32_t wire_length = 0;
  uint16_t lane = 0;
  HeadLayout layout;
  bool transport_checksum = false;  // reader: to be computed once the payload is there

  uint32_t payload_length() const { return captured_length - layout.length; }
};

// Ids of the streams. A reader that does not know a required one cannot read the frame; it skips the others that it
// does not know.
enum ColumnId : uint8_t {
  kLaneColumn = 0,
  kOrdinalColumn = 1,
  kTimeColumn = 2,
  kCapturedColumn = 3,
  kMissingColumn = 4,
  kDeviationsColumn = 5,
  kHeadFieldColumn = 6,  // and up, one per HeadField
  kColumnCount = kHeadFieldColumn + kHeadFieldCount,
};

class PacketColumnsWriter {
 public:
  // Appends the section (type kPacketColumns). Rows are in order of arrival, their bytes in `buffer`.
  void encode(const FrameHeader& header, std::span<const PacketRow> rows, const uint8_t* buffer,
              std::span<const Lane> lanes, std::span<const uint16_t> reverse_of, Compressor& compressor, ByteSink& out);

 private:
  void encode_order(const FrameHeader& header, std::span<const PacketRow> rows, size_t lanes);
  void encode_lengths(std::span<const PacketRow> rows, size_t lanes);
  void append_stream(uint64_t id, bool required, const ByteSink& stream, Compressor& compressor, ByteSink& out);

  ByteSink scratch_;
  ByteSink lane_, ordinal_, time_, captured_, missing_;
  HeadStreams heads_;
  HeadEncoder head_encoder_;
  std::vector<uint32_t> last_captured_;
};

class PacketColumnsReader {
 public:
  enum class Outcome { kOk, kDamaged, kNewerVersion };
  // Fills `rows` and writes the heads to `buffer`, where each packet has room for its payload behind its head. `type`
  // is the section's: kPacketColumns, or kPacketColumns10.
  Outcome decode(SectionType type, std::span<const uint8_t> section, const FrameHeader& header,
                 std::span<const Lane> lanes, std::span<const uint16_t> reverse_of, Decompressor& decompressor,
                 std::vector<PacketRow>& rows, std::vector<uint8_t>& buffer);

 private:
  struct Place {  // where a stream lies in the section
    std::span<const uint8_t> stored;
    size_t raw_bytes = 0;
    bool present = false;
    bool compressed = false;
  };
  Outcome find_streams(SectionType type, std::span<const uint8_t> section);
  bool decompress_streams(Decompressor& decompressor);
  bool decode_order(const FrameHeader& header, size_t lanes, std::vector<PacketRow>& rows);
  bool decode_lengths(const FrameHeader& header, size_t lanes, std::vector<PacketRow>& rows);

  std::array<Place, kColumnCount> places_;
  std::array<std::span<const uint8_t>, kColumnCount> streams_;  // raw; one that is not there is empty
  std::vector<uint8_t> scratch_;
  HeadDecoder head_decoder_;
  std::vector<uint32_t> last_captured_;
};

}  // namespace gatetape
