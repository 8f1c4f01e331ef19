// Takes a packet frame apart again. Untrusted bytes in, packets out or "damaged": no files, any thread, memory bounded
// by the limits of format.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/compression.h"
#include "storage/format/format.h"
#include "storage/format/lane.h"
#include "storage/format/packet_columns.h"

namespace gatetape {

// Where a frame's literals, and those it refers to, come from.
class LiteralSource {
 public:
  virtual ~LiteralSource() = default;
  // Fills `out` with the segment's literals from `position` on; false when they are not there or damaged.
  virtual bool read(uint64_t position, std::span<uint8_t> out) = 0;
};

class FrameReader {
 public:
  // 1. Sections in hand, checked against their checksums and decompressed as the header says. `sections` begins after
  //    the header and holds at least the lanes; false: damaged, see what().
  bool read_lanes(const FrameHeader& header, std::span<const uint8_t> sections);
  std::span<const Lane> lanes() const { return lanes_; }

  // 2. All packets' heads, times and lengths. `sections` goes up to the literals.
  bool read_packets(const FrameHeader& header, std::span<const uint8_t> sections);

  // 3. The payloads of the lanes for which wanted[lane] is set.
  bool read_payload(const FrameHeader& header, std::span<const uint8_t> sections, const std::vector<bool>& wanted,
                    LiteralSource& literals);

  // In order of arrival. Bytes of packets whose lane was not wanted are incomplete.
  std::span<const PacketRow> rows() const { return rows_; }
  const uint8_t* bytes(const PacketRow& row) const { return buffer_.data() + row.offset; }
  const char* what() const { return what_; }

  // The only section of that type, checked and unpacked: `out` lies in `raw` or in `sections` itself.
  bool section(const FrameHeader& header, std::span<const uint8_t> sections, SectionType type,
               std::vector<uint8_t>& raw, std::span<const uint8_t>& out);
  // Bytes of the sections before the literals.
  static size_t bytes_before_literals(const FrameHeader& header);

 private:
  struct Destination {
    uint8_t* to;
    uint32_t bytes;
    bool wanted;
  };

  bool damaged(const char* what) {
    what_ = what;
    return false;
  }
  bool gather_destinations(const FrameHeader& header, const std::vector<bool>& wanted);
  bool copy_literals(uint64_t position, uint64_t bytes, LiteralSource& literals);

  Decompressor decompressor_;
  PacketColumnsReader columns_reader_;
  std::vector<uint8_t> raw_;
  std::vector<Lane> lanes_;
  std::vector<uint16_t> reverse_of_;
  std::vector<PacketRow> rows_;
  std::vector<uint8_t> buffer_;
  std::vector<uint32_t> by_lane_, next_in_lane_;
  std::vector<Destination> destinations_;  // in the order of the payload stream
  size_t destination_ = 0;
  uint32_t destination_used_ = 0;
  const char* what_ = "";
};

// Whether a section's stored bytes are what its header says, and its type known where it must be.
bool section_intact(const Section& section, std::span<const uint8_t> stored);

}  // namespace gatetape
