// Reads pcapng.
#include <algorithm>
#include <utility>

#include "capture/sources/pcapng_blocks.h"
#include "capture/sources/record_file.h"

namespace gatetape {
namespace {

constexpr size_t kSectionHeaderBytesMin = 28;
constexpr size_t kInterfacesMax = 256;  // that a file's sections may describe, alike ones counted once

// Gives each interface of a section its place among those of the file.
void place(PcapngInterface& interface, std::vector<FileInterface>& known) {
  const auto same = [&](const FileInterface& other) { return other.same_as(interface.description); };
  const auto found = std::find_if(known.begin(), known.end(), same);
  interface.id = static_cast<uint16_t>(found - known.begin());
  if (found != known.end()) {
    found->snap_length = wider_snap_length(found->snap_length, interface.description.snap_length);
  } else if (known.size() < kInterfacesMax) {
    known.push_back(interface.description);
  } else {
    interface.id = static_cast<uint16_t>(known.size() - 1);
  }
}

// Takes a whole block that has no packet. The error does not name the file.
Result<void> learn(PcapngSection& section, std::vector<FileInterface>& known, const uint8_t* block, size_t length) {
  const BlockType type = section.type_of(block);
  if (type == BlockType::kSection) return section.begin(block);
  if (type != BlockType::kInterface) return {};
  if (Result<void> added = section.add_interface({block, length}); !added) return added;
  place(section.interfaces.back(), known);
  return {};
}

uint64_t block_bytes_min(BlockType type) {
  return type == BlockType::kSection ? kSectionHeaderBytesMin : kBlockBytesMin;
}

// Whether a block must be there as a whole to be read. All others are passed over.
bool is_read(BlockType type) {
  return is_packet_block(type) || type == BlockType::kInterface || type == BlockType::kSection;
}

class PcapngFile final : public RecordFile {
 public:
  PcapngFile(ByteInput input, std::vector<FileInterface> known) : RecordFile(std::move(input), 0) {
    interfaces_ = std::move(known);
  }

 private:
  Result<void> take_records(FileBurst& burst, size_t end, size_t& position) override {
    const uint8_t* arena = burst.arena.data();
    while (burst.count < kBurstPacketsMax && position < end && end - position >= kBlockBytesMin) {
      const uint8_t* block = arena + position;
      const size_t there = end - position;
      const BlockType type = section_.type_of(block);
      const uint64_t length = section_.length_of(block);
      if (is_read(type) && length > there && length <= block_bytes_max_) break;
      Result<void> taken = take(burst, type, {block, std::min<size_t>(length, there)}, length);
      if (!taken && burst.count > 0) break;  // told when the next burst begins with it
      if (!taken) {
        return fail("pcap:{}: damaged at byte {} (after packet {}): {}", name(), file_offset() + position, packets_,
                    taken.error().message);
      }
      position += length;
    }
    return {};
  }

  // Takes a block, which is in memory as a whole if it is one that is read.
  Result<void> take(FileBurst& burst, BlockType type, std::span<const uint8_t> block, uint64_t length) {
    const bool whole = block.size() == length;
    if (length < block_bytes_min(type) || (is_read(type) && !whole)) return fail("a block of {} bytes", length);
    if (whole && !PcapngSection::closed(block.data(), length)) return fail("a block whose two lengths differ");
    if (is_packet_block(type)) return take_packet(burst, type, block);
    if (!is_read(type)) return {};
    Result<void> learned = learn(section_, interfaces_, block.data(), length);
    if (learned) block_bytes_max_ = longest_block();
    return learned;
  }

  Result<void> take_packet(FileBurst& burst, BlockType type, std::span<const uint8_t> block) {
    Result<BlockPacket> packet = section_.packet_of(type, block.data(), block.size());
    if (!packet) return pass_on(packet);
    const PcapngInterface& interface = section_.interfaces[packet->interface];
    Packet& appended = burst.append(block.data() + packet->data_offset, packet->captured_length, packet->wire_length,
                                    packet->timed ? interface.time_ns(packet->units) : 0);
    appended.link_type = interface.description.link_type;
    appended.interface_id = interface.id;
    packets_++;
    return {};
  }

  // The longest that a block which is read may be in this section.
  uint64_t longest_block() const {
    uint32_t packet_bytes = 0;
    for (const PcapngInterface& interface : section_.interfaces) {
      packet_bytes = std::max(packet_bytes, packet_bytes_max(interface.description.link_type));
    }
    return kBlockBytesMax + (packet_bytes > kPacketBytesMax ? packet_bytes : 0);
  }

  size_t record_bytes(const uint8_t* record, size_t there) const override {
    return there < kBlockBytesMin ? kBlockBytesMin : section_.length_of(record);
  }

  bool is_packet(const uint8_t* record, size_t there) const override {
    return there < kBlockBytesMin || is_packet_block(section_.type_of(record));
  }

  PcapngSection section_;
  uint64_t block_bytes_max_ = kBlockBytesMax;
};

// Finds the interfaces that are described before the first packet, as far as they are at hand.
void look_ahead(ByteInput& input, std::vector<FileInterface>& known) {
  PcapngSection section;
  constexpr size_t kAheadMax = 4 << 20;
  size_t position = 0;
  const auto there = [&](size_t size) -> const uint8_t* {
    if (position + size > kAheadMax) return nullptr;
    if (!known.empty() && !input.at_hand(position + size)) return nullptr;
    const auto bytes = input.peek(position + size);
    return bytes && bytes->size() == position + size ? bytes->data() + position : nullptr;
  };
  while (const uint8_t* block = there(kBlockBytesMin)) {
    const BlockType type = section.type_of(block);
    const uint64_t length = section.length_of(block);
    if (is_packet_block(type) || length < block_bytes_min(type)) return;
    block = there(length);
    if (block == nullptr || !PcapngSection::closed(block, length) || !learn(section, known, block, length)) return;
    position += length;
  }
}

// Reads the file's blocks without their packets, and returns all the interfaces that they describe, up to the end of
// the budget or to what is damaged.
class InterfaceScan {
 public:
  InterfaceScan(const ByteInput& input, uint64_t& budget, std::vector<FileInterface>& known)
      : input_(input), budget_(budget), known_(known) {}

  void run() {
    uint64_t offset = 0;
    while (const uint8_t* block = at(offset, kBlockBytesMin)) {
      const uint64_t length = section_.length_of(block);
      const BlockType type = section_.type_of(block);
      if (length < block_bytes_min(type)) return;
      if (is_read(type) && !is_packet_block(type)) {
        block = length > kBlockBytesMax ? nullptr : at(offset, length);
        if (block == nullptr || !PcapngSection::closed(block, length) || !learn(section_, known_, block, length))
          return;
      }
      offset += length;
    }
  }

 private:
  // Returns the bytes at the offset; null at the end of the file or of the budget.
  const uint8_t* at(uint64_t offset, size_t size) {
    if (offset < begin_ || offset + size > begin_ + bytes_) {
      if (budget_ < window_.size()) return nullptr;
      window_.resize(std::max(window_.size(), size));
      const auto got = input_.read_at(offset, window_.data(), window_.size());
      begin_ = offset;
      bytes_ = got ? *got : 0;
      budget_ -= std::min<uint64_t>(budget_, window_.size());
      if (bytes_ < size) return nullptr;
    }
    return window_.data() + (offset - begin_);
  }

  const ByteInput& input_;
  uint64_t& budget_;
  std::vector<FileInterface>& known_;
  PcapngSection section_;
  std::vector<uint8_t> window_ = std::vector<uint8_t>(256 << 10);
  uint64_t begin_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<CaptureFile>> open_pcapng(ByteInput& input, uint64_t* scan_budget) {
  constexpr size_t kOrderEnd = 16;
  auto bytes = input.peek(kOrderEnd);
  if (!bytes) return pass_on(bytes);
  PcapngSection section;
  if (bytes->size() < kOrderEnd || section.type_of(bytes->data()) != BlockType::kSection) return nullptr;
  if (Result<void> begun = section.begin(bytes->data()); !begun) {
    return fail("pcap:{}: damaged at byte 0: {}", input.name(), begun.error().message);
  }
  std::vector<FileInterface> known;
  if (scan_budget != nullptr && input.seekable() && !input.followed()) InterfaceScan(input, *scan_budget, known).run();
  if (known.empty()) look_ahead(input, known);
  return std::make_unique<PcapngFile>(std::move(input), std::move(known));
}

}  // namespace gatetape
