// Opens sources by their names on the command line: "pcap:PATH", "if:NAME", "dpdk:DEVARGS".
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "capture/sources/source.h"
#include "common/result.h"

namespace gatetape {

struct SourceOptions {
  unsigned workers = 1;  // receive queues wanted; the source has this many or one, as queue_count() tells
  bool verbose = false;  // let DPDK's own messages through
  // Bursts that all consumers together may hold at once. Beyond that, poll() returns kIdle.
  unsigned bursts = 64;
  bool follow = false;                      // a capture file that still grows is read until the source is stopped
  const std::atomic<bool>* stop = nullptr;  // gives up waiting for the beginning of such a file
};

// Fails when a text cannot be the name of a source, whether it is there or not.
Result<void> check_source_spec(std::string_view spec);

// Opens sources:
//   pcap:PATH     a pcap or pcapng file, also compressed with gzip, zstd or LZ4; a directory, whose capture files are
//                 read in the order of their first packets' times; or "-" for standard input. All of them together are
//                 one source, which reads them in the order given
//   if:NAME       a Linux interface, both directions, as tcpdump shows it; needs root
//   dpdk:DEVARGS  a PCI address ("0000:03:00.0") or a DPDK vdev ("net_pcap0,rx_pcap=..."); needs root
// Called on the control thread. The first "if:" or "dpdk:" starts DPDK, which then runs for the life of the process.
// Errors name the source.
Result<std::vector<std::unique_ptr<Source>>> open_sources(const std::vector<std::string>& specs,
                                                          const SourceOptions& options);
// Whether the source is standard input or a named pipe: it has no end of its own.
bool reads_a_pipe(const std::string& spec);
// Opens one.
Result<std::unique_ptr<Source>> open_source(const std::string& spec, const SourceOptions& options);

}  // namespace gatetape
