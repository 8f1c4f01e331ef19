// The capture files that the paths of a source mean, in the order in which they are read.
#pragma once

#include <string>
#include <vector>

#include "capture/sources/capture_file.h"
#include "common/result.h"

namespace gatetape {

struct FoundFile {
  std::string path;
  unsigned group = 0;  // the number of the path that led to it: interfaces of different ones are told apart
  std::vector<FileInterface> interfaces;
  std::unique_ptr<CaptureFile> open;  // null: it is opened anew when its turn comes
};

// Finds and opens them all. A path is a file, "-" for standard input, or a directory: of that, all capture files in the
// order of their first packets' times, then of their names with numbers as numbers; a warning says which entries are
// left out and why. Fails when a file that was named is none, or a directory has none.
Result<std::vector<FoundFile>> find_capture_files(const std::vector<std::string>& paths, OpenMode mode);

}  // namespace gatetape
