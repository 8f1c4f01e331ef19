// Reads the pcap format: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/ (a file header of 24 bytes, then for
// each packet a header of 16 and its bytes, in the byte order of the machine that wrote it).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "capture/sources/capture_file.h"

namespace gatetape {
namespace {

constexpr size_t kFileHeaderBytes = 24;
constexpr size_t kRecordHeaderBytes = 16;
constexpr uint32_t kMagicMicroseconds = 0xa1b2c3d4, kMagicNanoseconds = 0xa1b23c4d;
constexpr size_t kReadBytesMin = 32 << 10;

uint32_t load_u32(const uint8_t* bytes, bool swapped) {
  uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return swapped ? __builtin_bswap32(value) : value;
}

uint16_t load_u16(const uint8_t* bytes, bool swapped) {
  uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return swapped ? __builtin_bswap16(value) : value;
}

struct FileHeader {
  bool plain = false;  // version 2.4, and a link type whose packets are of ordinary size
  bool swapped = false;
  bool nanoseconds = false;
  uint32_t snap_length = 0;
  uint16_t link_type = 0;
};

FileHeader parse_file_header(std::span<const uint8_t> bytes) {
  FileHeader header;
  if (bytes.size() < kFileHeaderBytes) return header;
  for (const bool swapped : {false, true}) {
    const uint32_t magic = load_u32(bytes.data(), swapped);
    if (magic != kMagicMicroseconds && magic != kMagicNanoseconds) continue;
    header.swapped = swapped;
    header.nanoseconds = magic == kMagicNanoseconds;
    header.snap_length = load_u32(bytes.data() + 16, swapped);
    header.link_type = static_cast<uint16_t>(load_u32(bytes.data() + 20, swapped));
    const bool version_2_4 = load_u16(bytes.data() + 4, swapped) == 2 && load_u16(bytes.data() + 6, swapped) == 4;
    constexpr uint16_t kDbus = 231, kUsbPcap = 249, kEbhscr = 279;  // link types with packets of megabytes
    header.plain =
        version_2_4 && header.link_type != kDbus && header.link_type != kUsbPcap && header.link_type != kEbhscr;
  }
  return header;
}

class ClassicPcap final : public CaptureFile {
 public:
  ClassicPcap(ByteInput input, const FileHeader& header)
      : input_(std::move(input)), swapped_(header.swapped), fraction_ns_(header.nanoseconds ? 1 : 1000) {
    interface_.name = input_.name();
    interface_.link_type = static_cast<LinkType>(header.link_type);
    interface_.snap_length = header.snap_length;
  }

  Result<ReadStatus> read(FileBurst& burst) override {
    if (burst.arena.size() < rest_.size()) burst.arena.resize(rest_.size());
    std::copy(rest_.begin(), rest_.end(), burst.arena.begin());
    size_t end = rest_.size();
    rest_.clear();
    for (;;) {
      size_t position = 0;
      if (auto parsed = take_records(burst, end, position); !parsed) return pass_on(parsed);
      if (burst.count > 0) {
        rest_.assign(burst.arena.data() + position, burst.arena.data() + end);
        file_offset_ += position;
        read_bytes_ = std::clamp(position + position / 8, kReadBytesMin, burst.arena.size());
        return ReadStatus::kPackets;
      }
      if (!input_.ready(kPipeWaitMs)) {
        rest_.assign(burst.arena.data(), burst.arena.data() + end);
        return ReadStatus::kNothingYet;
      }
      const size_t wanted = std::max(read_bytes_, record_bytes(burst, end));
      if (burst.arena.size() < wanted) burst.arena.resize(wanted);
      const ssize_t got = input_.read(burst.arena.data() + end, wanted - end);
      if (got < 0) return fail("pcap:{}: {}", interface_.name, std::strerror(errno));
      if (got == 0 && end == 0) return ReadStatus::kEnd;
      if (got == 0) return truncated(burst, end);
      end += static_cast<size_t>(got);
    }
  }

 private:
  // Appends the complete records in arena[position, end) to the burst.
  Result<void> take_records(FileBurst& burst, size_t end, size_t& position) {
    const uint8_t* arena = burst.arena.data();
    while (burst.count < kBurstPacketsMax && end - position >= kRecordHeaderBytes) {
      const uint8_t* record = arena + position;
      const uint32_t captured = load_u32(record + 8, swapped_);
      if (captured > kPacketBytesMax) {
        if (burst.count > 0) break;  // reported when the next burst begins with it
        return fail("pcap:{}: damaged at byte {}: packet {} claims {} bytes", interface_.name, file_offset_ + position,
                    packets_ + 1, captured);
      }
      if (end - position - kRecordHeaderBytes < captured) break;
      const int64_t seconds = load_u32(record, swapped_);
      const int64_t fraction = load_u32(record + 4, swapped_);
      burst.append(record + kRecordHeaderBytes, captured, load_u32(record + 12, swapped_),
                   seconds * 1'000'000'000 + fraction * fraction_ns_);
      position += kRecordHeaderBytes + captured;
      packets_++;
    }
    return {};
  }

  // Returns the length of the record at the start of the arena, or of its header while that is incomplete.
  size_t record_bytes(const FileBurst& burst, size_t end) const {
    if (end < kRecordHeaderBytes) return kRecordHeaderBytes;
    return kRecordHeaderBytes + load_u32(burst.arena.data() + 8, swapped_);
  }

  tl::unexpected<Error> truncated(const FileBurst& burst, size_t end) const {
    return fail("pcap:{}: truncated: packet {} at byte {} needs {} bytes, {} are there", interface_.name, packets_ + 1,
                file_offset_, record_bytes(burst, end), end);
  }

  ByteInput input_;
  const bool swapped_;
  const int64_t fraction_ns_;  // length of one unit of the fraction field
  std::vector<uint8_t> rest_;  // read, but not in a burst yet: mostly the beginning of a packet
  // Bytes to read at once: a little more than the last burst took, so that little is carried over to the next one.
  size_t read_bytes_ = FileBurst::kArenaBytes;
  uint64_t packets_ = 0;
  uint64_t file_offset_ = kFileHeaderBytes;  // the place of rest_ in the file
};

}  // namespace

Result<std::unique_ptr<CaptureFile>> open_classic_pcap(ByteInput& input) {
  auto bytes = input.peek(kFileHeaderBytes);
  if (!bytes) return pass_on(bytes);
  const FileHeader header = parse_file_header(*bytes);
  if (!header.plain) return nullptr;
  uint8_t skipped[kFileHeaderBytes];
  input.read(skipped, sizeof(skipped));
  return std::make_unique<ClassicPcap>(std::move(input), header);
}

}  // namespace gatetape
