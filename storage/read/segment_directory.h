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

// All segments, by sequence number. Fails when a directory cannot be read.
Result<std::vector<SegmentPath>> list_segments(FileSystem& files, const std::vector<std::string>& directories);

}  // namespace gatetape
