#include "capture/sources/source_spec.h"

#include <string>

#include "capture/sources/dpdk_source.h"
#include "capture/sources/pcap_source.h"

namespace gatetape {

Result<std::unique_ptr<Source>> open_source(std::string_view spec, const SourceOptions& options) {
  const size_t colon = spec.find(':');
  const std::string_view kind = spec.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? "" : spec.substr(colon + 1);
  if (!rest.empty() && kind == "pcap") return open_pcap_source(rest, options);
  if (!rest.empty() && kind == "if") return open_interface_source(std::string(rest), options);
  if (!rest.empty() && kind == "dpdk") return open_dpdk_source(std::string(rest), options);
  return fail("{}: not a source; pcap:PATH, if:NAME or dpdk:DEVARGS", spec);
}

}  // namespace gatetape
