#include "storage/query/inspection_coverage.h"

#include <algorithm>
#include <iterator>

#include "common/time_text.h"
#include "packet/decode.h"

namespace gatetape {
namespace {

constexpr uint8_t kTcpPush = 0x08;

bool has_port(const FlowRecord& flow, std::span<const uint16_t> ports) {
  return std::ranges::find(ports, flow.endpoints.source_port) != ports.end() ||
         std::ranges::find(ports, flow.endpoints.destination_port) != ports.end();
}

// IANA's protocols that carry packets of others, and the UDP ports of such.
bool is_tunnel(const FlowRecord& flow) {
  constexpr uint8_t kIpInIp = 4, kIpv6 = 41, kGre = 47, kEsp = 50, kMplsInIp = 137;
  constexpr uint8_t kProtocols[] = {kIpInIp, kIpv6, kGre, kEsp, kMplsInIp};
  constexpr uint16_t kGtp = 2152, kVxlan = 4789, kGeneve = 6081, kOldVxlan = 8472;
  constexpr uint16_t kPorts[] = {kGtp, kVxlan, kGeneve, kOldVxlan};
  if (flow.endpoints.protocol == kProtocolUdp) return has_port(flow, kPorts);
  return std::ranges::find(kProtocols, flow.endpoints.protocol) != std::end(kProtocols);
}

bool is_quic(const FlowRecord& flow) {
  constexpr uint16_t kPorts[] = {443};
  return flow.endpoints.protocol == kProtocolUdp && has_port(flow, kPorts);
}

// Somebody sent data, and whatever came back is not here: a scan sends none.
bool is_one_sided(const FlowRecord& flow) {
  if (flow.endpoints.protocol != kProtocolTcp) return false;
  return (flow.packets[0] == 0 && (flow.tcp_flags[1] & kTcpPush) != 0) ||
         (flow.packets[1] == 0 && (flow.tcp_flags[0] & kTcpPush) != 0);
}

struct KindOfFlow {
  bool (*is)(const FlowRecord&);
  std::string_view code, why;
};

constexpr KindOfFlow kKinds[] = {
    {is_tunnel, "tunnels", "tunnels, whose contents are not looked into"},
    {is_quic, "quic", "QUIC, which is encrypted"},
    {is_one_sided, "one_sided", "of one direction only: the other was not seen"},
};

}  // namespace

void InspectionCoverage::add(const FlowRecord& flow) {
  const Interval when{std::min(flow.first_timestamp_ns, flow.last_timestamp_ns), flow.last_timestamp_ns};
  if (!range_.touches(when.first_ns, when.last_ns)) return;
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (!kKinds[i].is(flow)) continue;
    Kind& kind = kinds_.try_emplace(i, Kind{0, when}).first->second;
    ++kind.flows;
    kind.when = {std::min(kind.when.first_ns, when.first_ns), std::max(kind.when.last_ns, when.last_ns)};
    return;
  }
}

std::vector<Shortfall> InspectionCoverage::shortfalls() const {
  std::vector<Shortfall> out;
  for (const auto& [place, kind] : kinds_) {
    out.push_back({kKinds[place].code,
                   true,
                   kind.flows,
                   "flows",
                   kind.when,
                   fmt::format("{} not inspected: {} (between {} and {})",
                               kind.flows == 1 ? "1 flow was" : fmt::format("{} flows were", kind.flows),
                               kKinds[place].why, format_time(kind.when.first_ns), format_time(kind.when.last_ns)),
                   {}});
  }
  return out;
}

}  // namespace gatetape
