// Packets from pcap and pcapng files, read by libpcap: one queue, nanoseconds, any link type.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "capture/sources/source.h"
#include "capture/sources/source_spec.h"
#include "common/result.h"

namespace gatetape {

// `path`: a file, a directory, or "-". Reads the headers of all files at once, so that a wrong one fails here.
// A file that ends within a packet, or is damaged, hands out what is before that place; then poll() fails and names the
// file and the packet.
Result<std::unique_ptr<Source>> open_pcap_source(std::string_view path, const SourceOptions& options);

}  // namespace gatetape
