#include "storage/read/frame_finder.h"

#include <algorithm>
#include <cstring>

namespace gatetape {

// The bytes from `offset` on: enough for a header, or all up to the file's end.
std::span<const uint8_t> FrameFinder::window(uint64_t offset) {
  constexpr size_t kWindow = 1 << 20;
  const uint64_t wanted = std::min<uint64_t>(kHeaderBytesFound, file_bytes_ - offset);
  if (offset < bytes_at_ || offset + wanted > bytes_at_ + bytes_.size()) {
    bytes_at_ = offset;
    bytes_.resize(std::min<uint64_t>(kWindow, file_bytes_ - offset));
    bytes_.resize(read_(offset, bytes_));
  }
  return std::span(bytes_).subspan(offset - bytes_at_);
}

uint64_t FrameFinder::next(uint64_t offset, FrameHeader& header) {
  constexpr size_t kMagic = 8;
  while (offset < file_bytes_) {
    const auto bytes = window(offset);
    const void* at = memmem(bytes.data(), bytes.size(), kFrameMagic, kMagic);
    if (at == nullptr) {
      if (bytes.size() < kMagic || offset + bytes.size() >= file_bytes_) break;
      offset += bytes.size() - (kMagic - 1);
      continue;
    }
    offset += static_cast<uint64_t>(static_cast<const uint8_t*>(at) - bytes.data());
    const auto here = window(offset);
    size_t needed;
    const auto found = here.first(std::min(here.size(), kHeaderBytesFound));
    if (FrameHeader::parse(found, segment_id_, header, needed) == FrameHeader::Parse::kOk) return offset;
    offset++;
  }
  return file_bytes_;
}

}  // namespace gatetape
