#include "storage/read/segment_directory.h"

#include <algorithm>
#include <filesystem>

namespace gatetape {

Result<std::vector<SegmentPath>> list_segments(const std::vector<std::string>& directories) {
  std::vector<SegmentPath> files;
  for (const std::string& directory : directories) {
    std::error_code error;
    for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
      SegmentPath file;
      file.path = it->path().string();
      if (parse_segment_file_name(it->path().filename().string(), file.sequence, file.kind))
        files.push_back(std::move(file));
    }
    if (error) return fail("{}: {}", directory, error.message());
  }
  std::sort(files.begin(), files.end(),
            [](const SegmentPath& a, const SegmentPath& b) { return a.sequence < b.sequence; });
  return files;
}

}  // namespace gatetape
