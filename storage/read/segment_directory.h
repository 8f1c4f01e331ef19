// The segment files of a store's directories.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/format/format.h"

namespace gatetape {

struct SegmentPath {
  std::string path;
  uint64_t sequence = 0;
  SegmentKind kind = SegmentKind::kPackets;
};

// An entry of a store's directory that looks like a segment and is none: a link, a pipe, a folder, a name with an
// impossible number. It is never opened, written to or removed.
struct ForeignEntry {
  std::string path;
  const char* what;       // "a link", for a message
  uint64_t sequence = 0;  // in its name; 0 if it is not a segment's
};

// All segments, by sequence number; what only looks like one goes to `foreign`, if given. A directory that is given
// twice is read once. Whether a file's bytes are a segment's is found out by opening it. Fails when a directory cannot
// be read.
Result<std::vector<SegmentPath>> list_segments(FileSystem& files, const std::vector<std::string>& directories,
                                               std::vector<ForeignEntry>* foreign = nullptr);

}  // namespace gatetape
