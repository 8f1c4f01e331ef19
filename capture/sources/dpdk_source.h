// Sources that use DPDK: "if:NAME" by its net_pcap driver, "dpdk:DEVARGS" by the device's driver. Control thread only.
#pragma once

#include <memory>
#include <string>

#include "capture/sources/source.h"
#include "capture/sources/source_spec.h"
#include "common/result.h"

namespace gatetape {

// Opens a Linux interface, with one queue. It shows both directions, fragments and tags, as tcpdump does; microseconds.
Result<std::unique_ptr<Source>> open_interface_source(const std::string& name, const SourceOptions& options);

// Opens a DPDK device, with a queue per worker if the port spreads flows by a symmetric hash, else with one queue.
Result<std::unique_ptr<Source>> open_dpdk_source(const std::string& devargs, const SourceOptions& options);

}  // namespace gatetape
