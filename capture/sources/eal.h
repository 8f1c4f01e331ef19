// DPDK's environment layer (EAL), started once per process, when the first network source is opened.
//
// Control thread only. DPDK cannot be stopped and started again within a process; it ends with it.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace gatetape {

// Starts DPDK unless it runs already: hugepages where there are enough, ordinary memory and a warning where not. Takes
// no device by itself, shares nothing with other DPDK processes, leaves this thread's CPU affinity and signals alone,
// and keeps DPDK's messages to itself unless `verbose`.
Result<void> start_eal(bool verbose);

// Attaches a device by DPDK's own description of it: a PCI address or "net_pcap0,rx_iface=eth1". The result is its port
// number; `source` names the user's source in errors.
Result<uint16_t> attach_port(const std::string& source, const std::string& devargs);

// Gives a device back; its port must be stopped and closed.
void detach_port(const std::string& device_name);

// What DPDK itself said about the failure of the last attach_port(), or since: "" or ": its words".
std::string eal_complaint();

}  // namespace gatetape
