#include "storage/write/segment_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace gatetape {

Result<std::shared_ptr<SegmentFile>> SegmentFile::create(const std::string& directory, const SegmentHeader& header,
                                                         Ring& ring) {
  const std::string path = directory + "/" + segment_file_name(header);
  auto file = File::create(path + ".new");
  while (!file && errno == ENOSPC && ring.evict_oldest()) file = File::create(path + ".new");
  if (!file) return pass_on(file);
  std::shared_ptr<SegmentFile> segment(new SegmentFile(std::move(*file), header, ring));
  if (auto written = segment->append(header.serialise()); !written) return pass_on(written);
  if (std::rename((path + ".new").c_str(), path.c_str()) != 0) return fail("{}: {}", path, std::strerror(errno));
  segment->file_.renamed(path);
  return segment;
}

Result<void> SegmentFile::append(std::span<const uint8_t> frame) {
  if (auto room = ring_.reserve(frame.size()); !room) return room;
  auto written = file_.write_at(bytes_, frame);
  while (!written && ring_.evict_oldest()) written = file_.write_at(bytes_, frame);
  if (written) {
    bytes_ += frame.size();
    return {};
  }
  ring_.unreserve(frame.size());
  (void)file_.truncate(bytes_);  // if that fails too, the torn tail is what readers expect of a crash
  return written;
}

}  // namespace gatetape
