// A segment being written: made under a temporary name, published under its own with its first frame in it, appended to
// frame by frame, within what the ring allows. A full disk evicts the oldest segment and tries again. One thread
// writes; another may sync.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "common/file.h"
#include "storage/format/format.h"
#include "storage/write/ring.h"

namespace gatetape {

// Part of a segment: so many packets (of a records segment: records), between these times.
struct SegmentContent {
  uint64_t count = 0;
  int64_t first_ns = std::numeric_limits<int64_t>::max(), last_ns = std::numeric_limits<int64_t>::min();
  void add(const SegmentContent& other);
};

class SegmentFile {
 public:
  // `files` and `ring` must outlive the object.
  static Result<std::shared_ptr<SegmentFile>> create(FileSystem& files, const std::string& directory,
                                                     const SegmentHeader& header, Ring& ring);
  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;

  // All or nothing: a part that was written is cut off again. `header` is the frame's.
  Result<void> append(const FrameHeader& header, std::span<const uint8_t> frame);
  // Fails when the disk does not confirm what was written. `unsafe` gets then what was appended since the last sync
  // that went well: nobody knows whether that is on the disk, and no later sync will tell.
  Result<void> sync(SegmentContent& unsafe);
  // For a sync that another handle does: takes what a sync that begins now makes safe, and says that it did.
  SegmentContent take_unsynced();
  void note_safe(const SegmentContent& content);
  // Returns all that was appended and not called unsafe, and calls it that: the file itself may vanish.
  SegmentContent take_all();
  // Before that the file has a temporary name, and goes when the object does.
  Result<void> publish();
  // Gives the handle back, so that the file's space is free once it is removed. Only what it holds can be asked then;
  // a sync has nothing to do any more.
  void close() { file_.reset(); }
  const std::string& path() const { return path_; }  // when it is published
  std::string temporary_path() const { return path_ + ".new"; }
  uint64_t bytes() const { return bytes_; }
  const SegmentHeader& header() const { return header_; }
  // All that was appended. Call it when nothing is appended any more.
  const SegmentContent& content() const { return content_; }

 private:
  Result<void> write(std::span<const uint8_t> bytes);
  SegmentFile(FileSystem& files, std::string directory, std::string path, std::unique_ptr<File> file,
              SegmentHeader header, Ring& ring)
      : files_(files),
        directory_(std::move(directory)),
        path_(std::move(path)),
        file_(std::move(file)),
        header_(std::move(header)),
        ring_(ring) {}

  FileSystem& files_;
  const std::string directory_, path_;
  std::unique_ptr<File> file_;
  SegmentHeader header_;
  Ring& ring_;
  bool published_ = false;
  uint64_t bytes_ = 0;
  std::mutex content_mutex_;
  SegmentContent content_;
  SegmentContent unsynced_, safe_;  // all that was appended, but for what was called unsafe
};

}  // namespace gatetape
