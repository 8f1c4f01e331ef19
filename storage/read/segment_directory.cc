#include "storage/read/segment_directory.h"

#include <algorithm>
#include <tuple>

namespace gatetape {
namespace {

// Tells why the entry cannot be read as a segment; null: it can. An entry that cannot be examined is left to
// those who open it: they say why.
const char* obstacle(FileSystem& files, const std::string& path) {
  const auto status = files.entry_status(path);
  if (!status) return nullptr;
  switch (status->kind) {
    case FileStatus::Kind::kRegular:
      return nullptr;
    case FileStatus::Kind::kDirectory:
      return "a folder";
    case FileStatus::Kind::kLink:
      return "a link";
    case FileStatus::Kind::kOther:
      break;
  }
  return "a pipe, a socket or a device";
}

void list_directory(FileSystem& files, const std::string& directory, const std::vector<std::string>& names,
                    std::vector<SegmentPath>& segments, std::vector<ForeignEntry>* foreign) {
  for (const std::string& name : names) {
    if (!name.ends_with(".gtp") && !name.ends_with(".gtr")) continue;
    SegmentPath segment;
    segment.path = directory + "/" + name;
    const bool named_as_one = parse_segment_file_name(name, segment.sequence, segment.kind);
    const char* what = named_as_one ? obstacle(files, segment.path) : "not a name of a segment";
    if (what == nullptr) {
      segments.push_back(std::move(segment));
    } else if (foreign != nullptr) {
      foreign->push_back({std::move(segment.path), what, named_as_one ? segment.sequence : 0});
    }
  }
}

}  // namespace

Result<std::vector<SegmentPath>> list_segments(FileSystem& files, const std::vector<std::string>& directories,
                                               std::vector<ForeignEntry>* foreign) {
  std::vector<SegmentPath> segments;
  std::vector<FileIdentity> listed;
  for (const std::string& directory : directories) {
    auto names = files.list(directory);
    if (!names) return pass_on(names);
    if (const auto status = files.status(directory)) {
      if (std::find(listed.begin(), listed.end(), status->identity) != listed.end()) continue;
      listed.push_back(status->identity);
    }
    list_directory(files, directory, *names, segments, foreign);
  }
  std::sort(segments.begin(), segments.end(), [](const SegmentPath& a, const SegmentPath& b) {
    return std::tie(a.sequence, a.path) < std::tie(b.sequence, b.path);
  });
  return segments;
}

}  // namespace gatetape
