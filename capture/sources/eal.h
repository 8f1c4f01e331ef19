// Starts DPDK's environment layer (EAL), once per process, when the first network source is opened.
//
// Only the control thread calls these functions. DPDK runs until the process ends; it cannot be started again.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace gatetape {

// Starts DPDK unless it runs already. Uses hugepages where there are enough, else ordinary memory, with a warning.
// Takes no device, shares nothing with other DPDK processes, leaves this thread's CPU affinity and signals alone, and
// lets DPDK's messages through only if `verbose`.
Result<void> start_eal(bool verbose);

// Attaches a device by DPDK's description of it: a PCI address, or "net_pcap0,rx_iface=eth1". Returns its port number.
// Errors begin with `source`, the user's name for it.
Result<uint16_t> attach_port(const std::string& source, const std::string& devargs);

// Gives a device back. Precondition: its port is stopped and closed.
void detach_port(const std::string& device_name);

// Returns DPDK's first complaint since the last attach_port() began, as ": its words", or "" when there was none.
std::string eal_complaint();

}  // namespace gatetape
