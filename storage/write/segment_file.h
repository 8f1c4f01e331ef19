// A segment being written: appears with its first frame in it, is appended to frame by frame, within what the ring
// allows. A full disk evicts the oldest segment and tries again. One thread writes; another may sync.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/file.h"
#include "storage/format/format.h"
#include "storage/write/ring.h"

namespace gatetape {

class SegmentFile {
 public:
  // Leaves nothing behind when it fails.
  static Result<std::shared_ptr<SegmentFile>> create(FileSystem& files, const std::string& directory,
                                                     const SegmentHeader& header, std::span<const uint8_t> first_frame,
                                                     Ring& ring);

  // All or nothing: a part that was written is cut off again.
  Result<void> append(std::span<const uint8_t> frame);
  Result<void> sync() { return file_->sync(); }
  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }
  const SegmentHeader& header() const { return header_; }

 private:
  SegmentFile(std::string path, std::unique_ptr<File> file, SegmentHeader header, Ring& ring)
      : path_(std::move(path)), file_(std::move(file)), header_(std::move(header)), ring_(ring) {}

  const std::string path_;
  std::unique_ptr<File> file_;
  SegmentHeader header_;
  Ring& ring_;
  uint64_t bytes_ = 0;
};

}  // namespace gatetape
