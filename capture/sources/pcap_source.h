// A source that reads pcap and pcapng files: one queue, nanoseconds, any link type.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "capture/sources/source.h"
#include "capture/sources/source_spec.h"
#include "common/result.h"

namespace gatetape {

// Opens a file, all capture files in a directory, or standard input for "-". Reads the headers of all files, so that a
// wrong one fails here. When a file is damaged or ends within a packet, the source hands out everything before that
// place; then poll() fails and names the file and the packet.
Result<std::unique_ptr<Source>> open_pcap_source(std::string_view path, const SourceOptions& options);

}  // namespace gatetape
