// The program's own pcap_open_live(), which gives DPDK's net_pcap driver more room than it asks for.
//
// Debian's driver calls pcap_open_live() with 16,128 bytes per packet, so that the super-frames of an interface with
// offloads on lose their ends without a trace. It leaves libpcap's buffer at 2 MB, which 10 Gbit/s fill in a few
// milliseconds. It has no argument for either. live_pcap.cc therefore defines pcap_open_live(), and the dynamic linker
// finds the program's definition first. It does what libpcap's does, with kLiveSnapLength and kLiveBufferBytes.
#pragma once

#include "packet/packet.h"

namespace gatetape {

// The longest packet that the driver handles. It counts the bytes of a packet in 16 bits.
inline constexpr int kLiveSnapLength = 65535;
// 64 MB of kernel memory per interface: 50 ms of 10 Gbit/s, half a second of one.
inline constexpr int kLiveBufferBytes = 64 << 20;

// Returns the link type of the interface that this thread opened last, or Ethernet when it opened none.
LinkType last_opened_link_type();

}  // namespace gatetape
