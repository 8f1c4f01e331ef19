// A segment being written: created under a temporary name, appended to frame by frame, within what the ring allows. A
// full disk evicts the oldest segment and tries again. Written by one thread; synced by another.
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
  static Result<std::shared_ptr<SegmentFile>> create(const std::string& directory, const SegmentHeader& header,
                                                     Ring& ring);

  // All or nothing: what could not be written whole is cut off again.
  Result<void> append(std::span<const uint8_t> frame);
  Result<void> sync() { return file_.sync(); }
  const std::string& path() const { return file_.path(); }
  uint64_t bytes() const { return bytes_; }
  const SegmentHeader& header() const { return header_; }

 private:
  SegmentFile(File file, SegmentHeader header, Ring& ring)
      : file_(std::move(file)), header_(std::move(header)), ring_(ring) {}

  File file_;
  SegmentHeader header_;
  Ring& ring_;
  uint64_t bytes_ = 0;
};

}  // namespace gatetape
