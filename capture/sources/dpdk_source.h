// Packets from a network, through DPDK: "if:NAME" by its net_pcap driver, "dpdk:DEVARGS" by whichever fits the device.
#pragma once

#include <memory>
#include <string>

#include "capture/sources/source.h"
#include "capture/sources/source_spec.h"
#include "common/result.h"

namespace gatetape {

// What tcpdump shows on the interface: both directions, fragments, tags, microseconds; one queue.
Result<std::unique_ptr<Source>> open_interface_source(const std::string& name, const SourceOptions& options);

// As many queues as there are workers where the port spreads flows over them symmetrically by hash, else one.
Result<std::unique_ptr<Source>> open_dpdk_source(const std::string& devargs, const SourceOptions& options);

}  // namespace gatetape
