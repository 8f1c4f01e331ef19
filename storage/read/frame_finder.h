// Finds the frames that follow damage, by their magic. Its cost is bounded by the bytes it looks at, whatever they are.
// One thread; holds no file.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "storage/format/format.h"

namespace gatetape {

class FrameFinder {
 public:
  // How many bytes were there at `offset`, as many as fit into `out`; fewer where the file ends or cannot be read.
  using Read = std::function<size_t(uint64_t offset, std::span<uint8_t> out)>;

  FrameFinder(Read read, uint64_t segment_id, uint64_t file_bytes)
      : read_(std::move(read)), segment_id_(segment_id), file_bytes_(file_bytes) {}

  // Where the next intact frame header of the segment begins at or after `offset`; the file's size when there is none.
  // Headers larger than any that is written (kHeaderBytesFound) are passed over. What was read for one call serves the
  // next ones.
  uint64_t next(uint64_t offset, FrameHeader& header);

  static constexpr size_t kHeaderBytesFound = 4096;

 private:
  std::span<const uint8_t> window(uint64_t offset);

  const Read read_;
  const uint64_t segment_id_, file_bytes_;
  std::vector<uint8_t> bytes_;
  uint64_t bytes_at_ = 0;
};

}  // namespace gatetape
