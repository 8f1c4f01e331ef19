// How DPDK's net_pcap driver opens an interface.
//
// Debian's driver calls pcap_open_live() with 16,128 bytes per packet, so that the super-frames of an interface with
// offloads on lose their ends without a trace, and leaves libpcap's buffer at 2 MB, a few milliseconds of 10 Gbit/s. It
// has no argument for either. live_pcap.cc therefore defines pcap_open_live() itself: the program's own definition is
// what the driver's call finds first. It does the same as libpcap's, with more room.
#pragma once

#include "packet/packet.h"

namespace gatetape {

// The largest length that the driver handles: it counts the bytes of a packet in 16 bits.
inline constexpr int kLiveSnapLength = 65535;
// 64 MB of kernel memory per interface: 50 ms of 10 Gbit/s, half a second of one.
inline constexpr int kLiveBufferBytes = 64 << 20;

// Of the interface that this thread opened last; Ethernet when it opened none.
LinkType last_opened_link_type();

}  // namespace gatetape
