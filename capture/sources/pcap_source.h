// A source that reads capture files: one queue, nanoseconds, any link type.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture/sources/source.h"
#include "capture/sources/source_spec.h"
#include "common/result.h"

namespace gatetape {

// Opens files, directories of files, or standard input for "-", which are read one after another (capture_paths.h).
// Reads the headers of all, so that a wrong one fails here. When a file is damaged or ends within a packet, the source
// hands out everything before that place and goes on with the next file; in the end poll() fails and names the file and
// the packet.
Result<std::unique_ptr<Source>> open_pcap_source(const std::vector<std::string>& paths, const SourceOptions& options);

}  // namespace gatetape
