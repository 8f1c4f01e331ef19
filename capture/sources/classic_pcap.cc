// Reads the pcap format: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/ (a file header of 24 bytes, then for
// each packet a header of 16 and its bytes, in the byte order of the machine that wrote it).
#include <utility>

#include "capture/sources/record_file.h"

namespace gatetape {
namespace {

constexpr size_t kFileHeaderBytes = 24;
constexpr size_t kRecordHeaderBytes = 16;
constexpr uint32_t kMagicMicroseconds = 0xa1b2c3d4, kMagicNanoseconds = 0xa1b23c4d;

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
    header.plain = version_2_4 && packet_bytes_max(static_cast<LinkType>(header.link_type)) == kPacketBytesMax;
  }
  return header;
}

class ClassicPcap final : public RecordFile {
 public:
  ClassicPcap(ByteInput input, const FileHeader& header)
      : RecordFile(std::move(input), kFileHeaderBytes),
        link_type_(static_cast<LinkType>(header.link_type)),
        swapped_(header.swapped),
        fraction_ns_(header.nanoseconds ? 1 : 1000) {
    interfaces_.push_back({"", 0, link_type_, header.snap_length});
  }

 private:
  Result<void> take_records(FileBurst& burst, size_t end, size_t& position) override {
    const uint8_t* arena = burst.arena.data();
    while (burst.count < kBurstPacketsMax && end - position >= kRecordHeaderBytes) {
      const uint8_t* record = arena + position;
      const uint32_t captured = load_u32(record + 8, swapped_);
      if (captured > kPacketBytesMax) {
        if (burst.count > 0) break;  // told when the next burst begins with it
        return fail("pcap:{}: damaged at byte {}: packet {} claims {} bytes", name(), file_offset() + position,
                    packets_ + 1, captured);
      }
      if (end - position - kRecordHeaderBytes < captured) break;
      const int64_t seconds = load_u32(record, swapped_);
      const int64_t fraction = load_u32(record + 4, swapped_);
      burst
          .append(record + kRecordHeaderBytes, captured, load_u32(record + 12, swapped_),
                  seconds * 1'000'000'000 + fraction * fraction_ns_)
          .link_type = link_type_;
      position += kRecordHeaderBytes + captured;
      packets_++;
    }
    return {};
  }

  size_t record_bytes(const uint8_t* record, size_t there) const override {
    return there < kRecordHeaderBytes ? kRecordHeaderBytes : kRecordHeaderBytes + load_u32(record + 8, swapped_);
  }

  bool is_packet(const uint8_t*, size_t) const override { return true; }

  const LinkType link_type_;
  const bool swapped_;
  const int64_t fraction_ns_;  // length of one unit of the fraction field
};

}  // namespace

Result<std::unique_ptr<CaptureFile>> open_classic_pcap(ByteInput& input) {
  auto bytes = input.peek(kFileHeaderBytes);
  if (!bytes) return pass_on(bytes);
  const FileHeader header = parse_file_header(*bytes);
  if (!header.plain) return nullptr;
  uint8_t skipped[kFileHeaderBytes];
  if (auto read = input.read(skipped, sizeof(skipped)); !read) return pass_on(read);
  return std::make_unique<ClassicPcap>(std::move(input), header);
}

}  // namespace gatetape
