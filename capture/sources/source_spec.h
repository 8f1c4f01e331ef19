// From the words of the command line to a source: "pcap:PATH", "if:NAME", "dpdk:DEVARGS".
#pragma once

#include <memory>
#include <string_view>

#include "capture/sources/source.h"
#include "common/result.h"

namespace gatetape {

struct SourceOptions {
  unsigned workers = 1;  // receive queues wanted; queue_count() says how many there are: this many, or one
  bool verbose = false;  // let DPDK's own messages through
  // Bursts that the consumers together may hold at once; poll() says kIdle beyond it.
  unsigned bursts = 64;
};

//   pcap:PATH     a pcap or pcapng file, a directory (every *.pcap, *.pcapng, *.cap in it, in the order of their
//   names),
//                 or "-" for standard input
//   if:NAME       a Linux interface, both directions, as tcpdump shows it; needs root
//   dpdk:DEVARGS  a PCI address ("0000:03:00.0") or a DPDK vdev ("net_pcap0,rx_pcap=..."); needs root
// Fails with a message that names the source: unknown kind, missing file, no such interface, no hugepages to be had,
// ... Control thread. The first "if:" or "dpdk:" starts DPDK, which stays for the life of the process.
Result<std::unique_ptr<Source>> open_source(std::string_view spec, const SourceOptions& options);

}  // namespace gatetape
