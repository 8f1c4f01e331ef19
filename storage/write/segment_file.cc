#include "storage/write/segment_file.h"

#include <algorithm>
#include <utility>

namespace gatetape {

void SegmentContent::add(const SegmentContent& other) {
  count += other.count;
  first_ns = std::min(first_ns, other.first_ns);
  last_ns = std::max(last_ns, other.last_ns);
}

Result<std::shared_ptr<SegmentFile>> SegmentFile::create(FileSystem& files, const std::string& directory,
                                                         const SegmentHeader& header, Ring& ring) {
  const std::string path = directory + "/" + segment_file_name(header), temporary = path + ".new";
  auto file = ring.with_room(directory, true, [&] { return files.create(temporary); });
  if (!file) return pass_on(file);
  std::shared_ptr<SegmentFile> segment(new SegmentFile(files, directory, path, std::move(*file), header, ring));
  if (auto written = segment->write(header.serialise()); !written) return pass_on(written);
  return segment;
}

SegmentFile::~SegmentFile() {
  if (published_) return;
  ring_.unreserve(directory_, bytes_);
  (void)files_.remove(temporary_path());  // if that fails, the next start removes it
}

Result<void> SegmentFile::publish() {
  Result<void> renamed = files_.rename(temporary_path(), path_);
  published_ = renamed.has_value();
  const std::lock_guard lock(content_mutex_);
  if (published_ && header_.kind == SegmentKind::kPackets) ring_.note_open(header_.sequence, content_.first_ns);
  return renamed;
}

Result<void> SegmentFile::append(const FrameHeader& header, std::span<const uint8_t> frame) {
  Result<void> written = write(frame);
  if (written) {
    const std::lock_guard lock(content_mutex_);
    const SegmentContent added{header.packets, header.time_min_ns, header.time_max_ns};
    content_.add(added);
    unsynced_.add(added);
  }
  return written;
}

Result<void> SegmentFile::sync(SegmentContent& unsafe) {
  const SegmentContent content = take_unsynced();
  Result<void> synced = file_ == nullptr ? Result<void>() : file_->sync();
  const std::lock_guard lock(content_mutex_);
  (synced ? safe_ : unsafe).add(content);
  return synced;
}

void SegmentFile::note_safe(const SegmentContent& content) {
  const std::lock_guard lock(content_mutex_);
  safe_.add(content);
}

SegmentContent SegmentFile::take_unsynced() {
  const std::lock_guard lock(content_mutex_);
  return std::exchange(unsynced_, {});
}

SegmentContent SegmentFile::take_all() {
  const std::lock_guard lock(content_mutex_);
  SegmentContent all = std::exchange(unsynced_, {});
  all.add(std::exchange(safe_, {}));
  return all;
}

Result<void> SegmentFile::write(std::span<const uint8_t> bytes) {
  if (auto room = ring_.reserve(directory_, bytes.size()); !room) return room;
  auto written = ring_.with_room(directory_, true, [&] { return file_->write_at(bytes_, bytes); });
  if (written) {
    bytes_ += bytes.size();
    return {};
  }
  ring_.unreserve(directory_, bytes.size());
  (void)file_->truncate(bytes_);  // if that fails too, the torn tail is what readers expect of a crash
  return written;
}

}  // namespace gatetape
