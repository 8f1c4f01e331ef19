#include "capture/sources/pcapng_blocks.h"

#include <algorithm>
#include <cstring>

#include "capture/sources/record_file.h"

namespace gatetape {
namespace {

constexpr uint32_t kByteOrder = 0x1a2b3c4d;
constexpr uint16_t kOptionEnd = 0, kOptionName = 2, kOptionTimeResolution = 9, kOptionTimeOffset = 14;
constexpr size_t kInterfaceFixedBytes = 16, kEnhancedFixedBytes = 28, kSimpleFixedBytes = 12, kTrailerBytes = 4;
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int kNanosecondExponent = 9;

// Returns 10^exponent, or 0 where 64 bits cannot hold it.
constexpr uint64_t power_of_ten(int exponent) {
  if (exponent > 19) return 0;
  uint64_t power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

uint64_t load_time(const uint8_t* high_then_low, bool swapped) {
  return uint64_t{load_u32(high_then_low, swapped)} << 32 | load_u32(high_then_low + 4, swapped);
}

// Seconds of 64 bits as nanoseconds.
__extension__ using Wide = __int128;

}  // namespace

int64_t PcapngInterface::time_ns(uint64_t units) const {
  Wide time = 0;
  if (decimal && exponent <= kNanosecondExponent) {
    time = static_cast<Wide>(units) * static_cast<Wide>(power_of_ten(kNanosecondExponent - exponent));
  } else if (decimal) {
    const uint64_t divisor = power_of_ten(exponent - kNanosecondExponent);
    time = divisor == 0 ? 0 : units / divisor;
  } else {
    constexpr int kProductBits = 94;
    time = exponent >= kProductBits ? 0 : (static_cast<Wide>(units) * kNanosecondsPerSecond) >> exponent;
  }
  time += static_cast<Wide>(offset_seconds) * kNanosecondsPerSecond;
  return static_cast<int64_t>(std::clamp<Wide>(time, INT64_MIN, INT64_MAX));
}

Result<void> PcapngSection::begin(const uint8_t* block) {
  const uint32_t order = load_u32(block + 8, false);
  if (order != kByteOrder && order != __builtin_bswap32(kByteOrder)) return fail("a section without a byte order");
  swapped_ = order != kByteOrder;
  const uint16_t major = load_u16(block + 12, swapped_);
  if (major != 1) return fail("a section of version {}", major);
  interfaces.clear();
  named_.clear();
  return {};
}

BlockType PcapngSection::type_of(const uint8_t* block) const {
  return static_cast<BlockType>(load_u32(block, swapped_));
}

uint64_t PcapngSection::length_of(const uint8_t* block) const {
  const bool section = type_of(block) == BlockType::kSection;
  const bool swapped = section ? load_u32(block + 8, false) == __builtin_bswap32(kByteOrder) : swapped_;
  return (uint64_t{load_u32(block + 4, swapped)} + 3) / 4 * 4;
}

bool PcapngSection::closed(const uint8_t* block, uint64_t length) {
  return load_u32(block + length - kTrailerBytes, false) == load_u32(block + 4, false);
}

Result<void> PcapngSection::add_interface(std::span<const uint8_t> block) {
  if (block.size() < kInterfaceFixedBytes + kTrailerBytes) return fail("an interface that is not described");
  if (interfaces.size() == kSectionInterfacesMax) return fail("more than {} interfaces", kSectionInterfacesMax);
  PcapngInterface added;
  added.description.link_type = static_cast<LinkType>(load_u16(block.data() + 8, swapped_));
  added.description.snap_length = load_u32(block.data() + 12, swapped_);
  std::span<const uint8_t> options =
      block.subspan(kInterfaceFixedBytes, block.size() - kInterfaceFixedBytes - kTrailerBytes);
  while (options.size() >= 4) {
    const uint16_t code = load_u16(options.data(), swapped_), size = load_u16(options.data() + 2, swapped_);
    options = options.subspan(4);
    if (code == kOptionEnd) break;
    if (size > options.size()) return fail("an interface with an option of {} bytes", size);
    const std::span<const uint8_t> value = options.first(size);
    options = options.subspan(std::min<size_t>((size + size_t{3}) / 4 * 4, options.size()));
    if (code == kOptionName) {
      constexpr size_t kNameBytesMax = 128;
      added.description.name.assign(value.begin(), value.begin() + std::min<size_t>(size, kNameBytesMax));
      // Some writers end the name with a zero.
      added.description.name.resize(std::strlen(added.description.name.c_str()));
    } else if (code == kOptionTimeResolution && size == 1) {
      added.decimal = (value[0] & 0x80) == 0;
      added.exponent = value[0] & 0x7f;
    } else if (code == kOptionTimeOffset && size == 8) {
      uint64_t offset = 0;
      std::memcpy(&offset, value.data(), sizeof offset);
      added.offset_seconds = static_cast<int64_t>(swapped_ ? __builtin_bswap64(offset) : offset);
    }
  }
  added.description.ordinal = named_[added.description.name]++;
  interfaces.push_back(std::move(added));
  return {};
}

Result<BlockPacket> PcapngSection::packet_of(BlockType type, const uint8_t* block, size_t length) const {
  BlockPacket packet;
  const bool simple = type == BlockType::kSimplePacket;
  packet.data_offset = simple ? kSimpleFixedBytes : kEnhancedFixedBytes;
  if (length < packet.data_offset + kTrailerBytes) return fail("a packet in a block of {} bytes", length);
  const size_t room = length - packet.data_offset - kTrailerBytes;
  if (!simple) {
    packet.interface =
        type == BlockType::kEnhancedPacket ? load_u32(block + 8, swapped_) : load_u16(block + 8, swapped_);
    packet.units = load_time(block + 12, swapped_);
    packet.captured_length = load_u32(block + 20, swapped_);
    packet.wire_length = load_u32(block + 24, swapped_);
  }
  if (packet.interface >= interfaces.size()) {
    return fail("a packet of interface {}, and {} are described", packet.interface, interfaces.size());
  }
  const FileInterface& description = interfaces[packet.interface].description;
  if (simple) {
    packet.timed = false;
    packet.wire_length = load_u32(block + 8, swapped_);
    packet.captured_length = static_cast<uint32_t>(std::min<size_t>(packet.wire_length, room));
    if (description.snap_length != 0)
      packet.captured_length = std::min(packet.captured_length, description.snap_length);
  }
  const uint32_t max = packet_bytes_max(description.link_type);
  if (packet.captured_length > max) return fail("a packet that claims {} bytes", packet.captured_length);
  if (packet.captured_length > room)
    return fail("a packet that claims {} bytes in a block of {}", packet.captured_length, length);
  return packet;
}

}  // namespace gatetape
