#include "storage/write/segment_file.h"

namespace gatetape {

Result<std::shared_ptr<SegmentFile>> SegmentFile::create(FileSystem& files, const std::string& directory,
                                                         const SegmentHeader& header, Ring& ring) {
  const std::string path = directory + "/" + segment_file_name(header), temporary = path + ".new";
  auto file = files.create(temporary);
  while (!file && is_out_of_space(file.error()) && ring.evict_oldest()) file = files.create(temporary);
  if (!file) return pass_on(file);
  std::shared_ptr<SegmentFile> segment(new SegmentFile(path, std::move(*file), header, ring));
  if (auto written = segment->append(header.serialise()); !written) return pass_on(written);
  if (auto renamed = files.rename(temporary, path); !renamed) return pass_on(renamed);
  return segment;
}

Result<void> SegmentFile::append(std::span<const uint8_t> frame) {
  if (auto room = ring_.reserve(frame.size()); !room) return room;
  auto written = file_->write_at(bytes_, frame);
  while (!written && is_out_of_space(written.error()) && ring_.evict_oldest()) written = file_->write_at(bytes_, frame);
  if (written) {
    bytes_ += frame.size();
    return {};
  }
  ring_.unreserve(frame.size());
  (void)file_->truncate(bytes_);  // if that fails too, the torn tail is what readers expect of a crash
  return written;
}

}  // namespace gatetape
