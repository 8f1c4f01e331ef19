#include "capture/sources/live_pcap.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cstdio>

#include "capture/sources/link_type.h"

namespace {
thread_local gatetape::LinkType last_link_type = gatetape::LinkType::kEthernet;
}

gatetape::LinkType gatetape::last_opened_link_type() {
  return last_link_type;
}

extern "C" pcap_t* pcap_open_live(const char* device, int snap_length, int promiscuous, int timeout_ms, char* error) {
  pcap_t* pcap = pcap_create(device, error);
  if (pcap == nullptr) return nullptr;
  pcap_set_snaplen(pcap, std::max(snap_length, gatetape::kLiveSnapLength));
  pcap_set_promisc(pcap, promiscuous);
  pcap_set_timeout(pcap, timeout_ms);
  pcap_set_buffer_size(pcap, gatetape::kLiveBufferBytes);
  if (const int status = pcap_activate(pcap); status < 0) {
    const char* words = pcap_geterr(pcap);
    std::snprintf(error, PCAP_ERRBUF_SIZE, "%s", *words != '\0' ? words : pcap_statustostr(status));
    pcap_close(pcap);
    return nullptr;
  }
  last_link_type = gatetape::link_type_of_dlt(pcap_datalink(pcap));
  return pcap;
}
