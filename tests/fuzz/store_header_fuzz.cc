// Headers of segments and frames, trailers, frame tables and segment summaries; the checksums of the two headers are
// made right when there is room for them.
#include <cstdint>
#include <cstring>
#include <vector>

#include "storage/format/format.h"
#include "storage/format/sealing.h"

using namespace gatetape;

namespace {

std::vector<uint8_t> with_checksum(std::span<const uint8_t> bytes, size_t size_offset) {
  std::vector<uint8_t> out(bytes.begin(), bytes.end());
  if (out.size() < 136) return out;
  uint32_t stated;
  std::memcpy(&stated, out.data() + size_offset, sizeof stated);
  if (stated < 16 || stated > out.size()) {
    stated = static_cast<uint32_t>(out.size());
    std::memcpy(out.data() + size_offset, &stated, sizeof stated);
  }
  const uint64_t sum = checksum(std::span(out).first(stated - 8));
  std::memcpy(out.data() + stated - 8, &sum, sizeof sum);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  size_t needed = 0;
  const auto segment = with_checksum(bytes, 12);
  (void)SegmentHeader::parse(segment, needed);
  const auto frame = with_checksum(bytes, 8);
  FrameHeader header;
  uint64_t id = 0;
  if (frame.size() >= 24) std::memcpy(&id, frame.data() + 16, sizeof id);
  if (FrameHeader::parse(frame, id, header, needed) == FrameHeader::Parse::kOk) {
    std::vector<uint8_t> again(header.header_bytes());
    header.serialise(again.data());
  }
  Trailer trailer;
  (void)Trailer::parse(bytes.first(std::min(size, Trailer::kBytes)), trailer);
  ByteSource in(bytes);
  while (in.remaining() >= FrameEntry::kBytes) (void)FrameEntry::parse(in);
  (void)SegmentSummary::parse(in);
  uint64_t sequence;
  SegmentKind kind;
  (void)parse_segment_file_name({reinterpret_cast<const char*>(data), size}, sequence, kind);
  return 0;
}
