#include "storage/write/segment_file.h"

namespace gatetape {

Result<std::shared_ptr<SegmentFile>> SegmentFile::create(FileSystem& files, const std::string& directory,
                                                         const SegmentHeader& header,
                                                         std::span<const uint8_t> first_frame, Ring& ring) {
  const std::string path = directory + "/" + segment_file_name(header), temporary = path + ".new";
  auto file = files.create(temporary);
  while (!file && is_out_of_space(file.error()) && ring.evict_oldest(directory)) file = files.create(temporary);
  if (!file) return pass_on(file);
  std::shared_ptr<SegmentFile> segment(new SegmentFile(path, std::move(*file), header, ring));
  auto done = segment->append(header.serialise());
  if (done) done = segment->append(first_frame);
  if (done) done = files.rename(temporary, path);
  if (done) return segment;
  ring.unreserve(segment->bytes());
  (void)files.remove(temporary);  // if that fails too, the next start removes it
  return pass_on(done);
}

Result<void> SegmentFile::append(std::span<const uint8_t> frame) {
  if (auto room = ring_.reserve(frame.size()); !room) return room;
  auto written = file_->write_at(bytes_, frame);
  while (!written && is_out_of_space(written.error()) && ring_.evict_oldest(parent_directory(path_)))
    written = file_->write_at(bytes_, frame);
  if (written) {
    bytes_ += frame.size();
    return {};
  }
  ring_.unreserve(frame.size());
  (void)file_->truncate(bytes_);  // if that fails too, the torn tail is what readers expect of a crash
  return written;
}

}  // namespace gatetape
