// The parts of a segment that sealing appends (FORMAT.md, sealing): the rows of its frame table, its summary, its
// trailer.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/byte_order.h"
#include "storage/format/format.h"
#include "storage/format/sha256.h"

namespace gatetape {

// The last bytes of a sealed segment.
struct Trailer {
  uint64_t index_offset = 0;
  uint64_t file_bytes = 0;

  static constexpr size_t kBytes = 32;
  std::array<uint8_t, kBytes> serialise() const;
  static bool parse(std::span<const uint8_t> bytes, Trailer& trailer);
};

// One row of the frame table of a sealed segment; walking an unsealed one yields the same.
struct FrameEntry {
  uint64_t offset = 0;
  uint32_t header_bytes = 0;
  uint32_t packets = 0;
  int64_t time_min_ns = 0, time_max_ns = 0;
  uint64_t ordinal_min = 0, ordinal_max = 0;
  uint64_t literal_position = 0;
  uint32_t literal_bytes = 0;
  uint32_t stored_bytes = 0;
  uint64_t captured_bytes = 0;
  Sha256Digest root{};

  static constexpr size_t kBytes = 128, kReservedBytes = 24;
  static FrameEntry from(const FrameHeader& header, uint64_t offset);
  void serialise(ByteSink& out) const;
  static FrameEntry parse(ByteSource& in);
};
// Appends the rows of a frame table to `entries`. Rows may be longer than we know: all of them are equally long, and
// there are `frames`. False: the sizes do not fit.
bool parse_frame_table(std::span<const uint8_t> table, uint32_t frames, std::vector<FrameEntry>& entries);

struct SegmentSummary {
  Sha256Digest root{};
  uint64_t packets = 0, captured_bytes = 0, account_added = 0, account_dropped = 0;
  int64_t time_min_ns = 0, time_max_ns = 0;
  uint64_t torn_bytes = 0;

  void serialise(ByteSink& out) const;
  static SegmentSummary parse(ByteSource& in);
};

}  // namespace gatetape
