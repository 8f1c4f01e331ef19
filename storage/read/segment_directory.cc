#include "storage/read/segment_directory.h"

#include <algorithm>
#include <tuple>

namespace gatetape {

Result<std::vector<SegmentPath>> list_segments(FileSystem& files, const std::vector<std::string>& directories) {
  std::vector<SegmentPath> segments;
  for (const std::string& directory : directories) {
    auto names = files.list(directory);
    if (!names) return pass_on(names);
    for (const std::string& name : *names) {
      SegmentPath segment;
      segment.path = directory + "/" + name;
      if (parse_segment_file_name(name, segment.sequence, segment.kind)) segments.push_back(std::move(segment));
    }
  }
  std::sort(segments.begin(), segments.end(), [](const SegmentPath& a, const SegmentPath& b) {
    return std::tie(a.sequence, a.path) < std::tie(b.sequence, b.path);
  });
  return segments;
}

}  // namespace gatetape
