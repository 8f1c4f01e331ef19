#include "capture/sources/source_spec.h"

#include <string>

#include "capture/sources/dpdk_source.h"
#include "capture/sources/pcap_source.h"
#include "common/nearest_word.h"

namespace gatetape {

Result<void> check_source_spec(std::string_view spec) {
  const size_t colon = spec.find(':');
  const std::string_view kind = spec.substr(0, colon);
  const bool known = kind == "pcap" || kind == "if" || kind == "dpdk";
  if (known && colon != std::string_view::npos && colon + 1 < spec.size()) return {};
  return fail("expected pcap:PATH, if:NAME or dpdk:ARGS{}",
              colon == std::string_view::npos ? "" : did_you_mean(kind, {"pcap", "if", "dpdk"}));
}

Result<std::unique_ptr<Source>> open_source(std::string_view spec, const SourceOptions& options) {
  if (Result<void> right = check_source_spec(spec); !right) return fail("{}: {}", spec, right.error().message);
  const size_t colon = spec.find(':');
  const std::string_view kind = spec.substr(0, colon), rest = spec.substr(colon + 1);
  if (kind == "pcap") return open_pcap_source(rest, options);
  if (kind == "if") return open_interface_source(std::string(rest), options);
  return open_dpdk_source(std::string(rest), options);
}

}  // namespace gatetape
