#include "capture/visibility.h"

#include <fmt/format.h>

#include "common/count_text.h"

namespace gatetape {
namespace {

// Below this many packets nothing can be said.
constexpr uint64_t kPacketsMin = 100;

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<std::string> blind_spots(const WorkerAccount& a, bool has_ingress, bool live) {
  std::vector<std::string> spots;
  if (a[Counter::kReceived] == 0) {
    spots.push_back(live ? "no packet at all was received: is the mirror session up, and is this its destination port?"
                         : "no packet at all was read: the source has none");
    return spots;
  }
  if (a[Counter::kReceived] < kPacketsMin) return spots;
  if (has_ingress && a[Counter::kToIngress] == 0 && a[Counter::kFromIngress] == 0) {
    spots.push_back(
        "no packet to or from the ingress address: behind a load balancer or SNAT the wire may carry another address; "
        "mirror the port where the address given with --ingress is still visible");
  } else if (has_ingress && (a[Counter::kToIngress] == 0 || a[Counter::kFromIngress] == 0)) {
    spots.push_back(fmt::format(
        "only packets {} the ingress address: the mirror is one-sided, streams are reassembled without the other "
        "side's acknowledgments; mirror both directions (rx and tx) of the port",
        a[Counter::kToIngress] == 0 ? "from" : "to"));
  }
  if (a[Counter::kSuperFrames] > 0) {
    spots.push_back(fmt::format(
        "{} longer than the wire allows: an offload (GRO, TSO, LRO) merged packets before the mirror, so "
        "sizes and times are not those of the wire; turn it off on the mirrored interface (ethtool -K IF gro off tso "
        "off lro off)",
        counted(a[Counter::kSuperFrames], "packet is", "packets are")));
  }
  if (a[Counter::kTcpAcknowledgedUnseen] > 0) {
    spots.push_back(
        fmt::format("{} acknowledged by the receiver but never seen here: the mirror loses packets before "
                    "they reach this port",
                    counted(a[Counter::kTcpAcknowledgedUnseen], "byte of TCP was", "bytes of TCP were")));
  }
  if (const double share = percent(a[Counter::kEncryptedBytes], a[Counter::kReceivedBytes]); share >= 1) {
    spots.push_back(fmt::format(
        "{:.0f} % of the bytes are encrypted (TLS, SSH): recorded, but not inspected; mirror behind TLS termination to "
        "inspect them",
        share));
  }
  if (a[Counter::kBadChecksum] > 0 && percent(a[Counter::kBadChecksum], a[Counter::kReceived]) >= 1) {
    spots.push_back(fmt::format(
        "{:.0f} % of the packets carry wrong checksums and were not inspected: if the mirror is taken before checksum "
        "offload, use --checksums off",
        percent(a[Counter::kBadChecksum], a[Counter::kReceived])));
  }
  const uint64_t cut =
      a[Counter::kDecodedTruncatedLink] + a[Counter::kDecodedTruncatedNetwork] + a[Counter::kDecodedTruncatedTransport];
  if (percent(cut, a[Counter::kReceived]) >= 1) {
    spots.push_back(
        fmt::format("{:.0f} % of the packets are cut short inside their headers", percent(cut, a[Counter::kReceived])));
  }
  return spots;
}

}  // namespace gatetape
