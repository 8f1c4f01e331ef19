// The headers of the store's files, as storage/FORMAT.md describes them, and their limits. Pure functions over bytes:
// any thread, no files. What parses never trusts a length.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "packet/stored_packet.h"
#include "storage/format/sha256.h"

namespace gatetape {

inline constexpr uint16_t kFormatMajor = 1, kFormatMinor = 1;
inline constexpr uint32_t kFramePacketsMax = 16384;        // that we write; readers accept any u16
inline constexpr uint32_t kFrameCapturedBytes = 1u << 20;  // closes a frame; one packet may exceed it
inline constexpr uint32_t kLiteralBlockBytes = 256u << 10;
inline constexpr uint32_t kHashedPayloadBytesMin = 192;  // FORMAT.md, hash tree
inline constexpr size_t kHeaderBytesMax = 64 << 10;
inline constexpr size_t kSectionBytesMax = 64 << 20, kIndexSectionBytesMax = size_t{1} << 30;

using Uuid = std::array<uint8_t, 16>;
uint64_t checksum(std::span<const uint8_t> bytes);

enum class SegmentKind : uint8_t { kPackets = 1, kRecords = 2 };

inline constexpr uint64_t kNoSequence = ~uint64_t{0};

struct SegmentHeader {
  SegmentKind kind = SegmentKind::kPackets;
  RetentionClass retention = RetentionClass::kFull;
  uint16_t worker = 0;
  uint32_t ordinal_domain = 0;
  uint64_t sequence = 0;
  Uuid uuid{};
  Uuid run_uuid{};
  int64_t run_started_ns = 0;
  int64_t created_ns = 0;
  uint64_t previous_sequence = kNoSequence;
  Sha256Digest previous_root{};
  uint32_t literal_block_bytes = kLiteralBlockBytes;
  std::vector<StoreInterface> interfaces;

  std::vector<uint8_t> serialise() const;
  // `bytes` begins with the header and may go on after it. Fails with "not a segment", "written by a newer version" ...
  // Fields that a newer minor version put at the header's end are skipped.
  static Result<SegmentHeader> parse(std::span<const uint8_t> bytes, size_t& header_bytes);
  // Whether a file of these bytes ends before its header does.
  static bool ends_inside(std::span<const uint8_t> bytes);
};

enum class FrameKind : uint16_t { kPackets = 1, kRecords = 2, kIndex = 3 };

enum class SectionType : uint16_t {
  kLanes = 1,
  kPacketColumns10 = 2,  // as 1.0 wrote them: streams by position
  kPayloadOperations = 3,
  kLiterals = 4,
  kRecordBatch = 5,
  kPacketColumns = 6,  // since 1.1: streams by id
  kFrameTable = 16,
  kSegmentSummary = 17,
  kHosts = 18,
  kPorts = 19,
  kProtocols = 20,
  kConnections = 21,
  kFlowIds = 22,
  kUnindexedFrames = 23,
};

enum class Codec : uint8_t { kStored = 0, kZstd = 1 };
inline constexpr uint8_t kSectionRequired = 1;

struct Section {
  SectionType type{};
  Codec codec = Codec::kStored;
  uint8_t flags = 0;
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;
  uint32_t repair = 0;  // repair_code() of the stored bytes; 0: none was made
  uint64_t checksum = 0;
};
inline constexpr size_t kChecksumBytes = 8;
inline constexpr size_t kSectionEntryBytes = 24;
inline constexpr size_t kFrameHeaderFixedBytes = 136;
constexpr size_t frame_header_bytes(size_t sections) {
  return kFrameHeaderFixedBytes + sections * kSectionEntryBytes + kChecksumBytes;
}

struct FrameHeader {
  FrameKind kind = FrameKind::kPackets;
  uint64_t segment_id = 0;  // the first 8 bytes of the segment's uuid
  uint32_t number = 0;
  uint32_t packets = 0;
  uint64_t ordinal_min = 0, ordinal_max = 0;
  int64_t time_min_ns = 0, time_max_ns = 0;
  uint64_t captured_bytes = 0;
  uint64_t literal_position = 0;  // frames of records: the set of their types, RecordTypes
  uint32_t literal_bytes = 0;
  uint32_t payload_bytes = 0;
  uint64_t account_added = 0, account_dropped = 0;
  Sha256Digest root{};
  std::vector<Section> sections;
  uint32_t extra_bytes = 0;  // in the header, after the fields that we know: a newer minor version wrote it

  uint32_t header_bytes() const { return static_cast<uint32_t>(frame_header_bytes(sections.size()) + extra_bytes); }
  uint64_t stored_bytes() const;       // header and sections
  void serialise(uint8_t* out) const;  // header_bytes(); the extra ones are zeros

  enum class Parse { kOk, kNeedMore, kDamaged };
  // kNeedMore: `bytes` ends inside the header; header_bytes_needed says how many it has.
  static Parse parse(std::span<const uint8_t> bytes, uint64_t segment_id, FrameHeader& header,
                     size_t& header_bytes_needed);
};
inline constexpr char kFrameMagic[9] = "GTFRAME1";

uint64_t segment_id(const Uuid& uuid);

std::string segment_file_name(const SegmentHeader& header);
// The name of the segment's stream: its file name without the sequence number. Precondition: it is a segment's.
std::string stream_name(const std::string& file_name);
// The highest number a segment's name may have. A writer begins below half of it.
inline constexpr uint64_t kSequenceMax = 999'999'999'999'999'999;
// The sequence number in a segment file's name, of 12 digits, or up to 18 where 12 do not hold it. False: not one.
bool parse_segment_file_name(std::string_view name, uint64_t& sequence, SegmentKind& kind);

}  // namespace gatetape
