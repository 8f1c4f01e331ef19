// Translates libpcap's link types into the numbers that capture files use.
#pragma once

#include "packet/packet.h"

namespace gatetape {

// Translates a result of pcap_datalink(): this system's number, which differs from that in files for three old types.
inline LinkType link_type_of_dlt(int dlt) {
  constexpr int kDltAtmRfc1483 = 11, kDltRaw = 12, kDltAtmClip = 19;
  switch (dlt) {
    case kDltAtmRfc1483:
      return static_cast<LinkType>(100);
    case kDltRaw:
      return LinkType::kRaw;
    case kDltAtmClip:
      return static_cast<LinkType>(106);
    default:
      return static_cast<LinkType>(dlt);
  }
}

}  // namespace gatetape
