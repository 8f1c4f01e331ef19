// pcapng's blocks: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/. A file is sections, each in a byte order
// of its own; a section numbers the interfaces that it describes, and its packets name them. Pure functions over bytes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "capture/sources/capture_file.h"
#include "common/result.h"

namespace gatetape {

inline constexpr size_t kBlockBytesMin = 12;            // type, length, length again
inline constexpr size_t kBlockBytesMax = 16u << 20;     // blocks that are read, beside the packet in them
inline constexpr size_t kSectionInterfacesMax = 65536;  // more means damage

enum class BlockType : uint32_t {
  kInterface = 1,
  kObsoletePacket = 2,
  kSimplePacket = 3,
  kEnhancedPacket = 6,
  kSection = 0x0a0d0d0a,
};

struct PcapngInterface {
  FileInterface description;
  // A time is a number of units since 1970, plus the offset.
  bool decimal = true;  // the unit is 10^-exponent seconds, else 2^-exponent
  uint8_t exponent = 6;
  int64_t offset_seconds = 0;
  uint16_t id = 0;  // its place in CaptureFile::interfaces()

  // Nanoseconds since 1970. Times that 64 bits cannot hold become the nearest ones that they can.
  int64_t time_ns(uint64_t units) const;
};

// A block's packet, as its block tells.
struct BlockPacket {
  uint32_t interface = 0;  // in its section
  uint64_t units = 0;
  bool timed = true;
  uint32_t captured_length = 0, wire_length = 0;
  size_t data_offset = 0;  // in the block
};

class PcapngSection {
 public:
  // Takes a section header's byte order, and forgets the interfaces. Fails when it has none, or another major version.
  // Reads the first 16 bytes.
  Result<void> begin(const uint8_t* block);

  // The type and length (rounded up to whole words, as some writers do not) of the block that begins with these bytes,
  // of which there are at least kBlockBytesMin. A section header tells its own byte order, and its type reads alike in
  // both.
  BlockType type_of(const uint8_t* block) const;
  uint64_t length_of(const uint8_t* block) const;
  // Whether a whole block has its length at its end, too. `length` is length_of(block).
  static bool closed(const uint8_t* block, uint64_t length);

  // Adds the interface that a whole block describes.
  Result<void> add_interface(std::span<const uint8_t> block);
  // Reads a whole block's packet. Fails with what is wrong in it.
  Result<BlockPacket> packet_of(BlockType type, const uint8_t* block, size_t length) const;

  std::vector<PcapngInterface> interfaces;

 private:
  bool swapped_ = false;
  std::map<std::string, uint32_t> named_;  // how many interfaces have each name
};

// Whether blocks of this type hold a packet.
inline bool is_packet_block(BlockType type) {
  return type == BlockType::kEnhancedPacket || type == BlockType::kSimplePacket || type == BlockType::kObsoletePacket;
}

}  // namespace gatetape
