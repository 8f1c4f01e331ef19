#include "capture/packet_filter.h"

#include <atomic>
#include <map>

#include "expression/bpf_program.h"

namespace gatetape {
namespace {

// Returns whether a packet is ARP, or a router or neighbour solicitation, advertisement or redirect (RFC 4861 section
// 4). The latter have a hop limit of 255, so that none can come from outside the link.
bool is_address_resolution(const DecodedPacket& d) {
  constexpr uint16_t kEtherTypeArp = 0x0806;
  if (d.ip_version == 0) return d.ether_type == kEtherTypeArp;
  constexpr uint16_t kFirstType = 133, kLastType = 137;
  return d.protocol == kProtocolIcmpv6 && d.has_transport && d.ttl == 255 && d.source_port >= kFirstType &&
         d.source_port <= kLastType;
}

constexpr LinkType kLinkTypes[] = {LinkType::kEthernet, LinkType::kRaw,  LinkType::kLinuxSll, LinkType::kLinuxSll2,
                                   LinkType::kNull,     LinkType::kLoop, LinkType::kIpv4,     LinkType::kIpv6};

}  // namespace

Result<void> check_packet_expression(const std::string& expression) {
  Result<void> first;
  for (const LinkType type : kLinkTypes) {
    const Result<BpfProgram> program = BpfProgram::compile(expression, type);
    if (program) return {};
    if (first) first = fail("{}", program.error().message);
  }
  return first;
}

std::string describe(const FilterOptions& options) {
  std::string out;
  const auto add = [&](const char* name, const std::vector<IpPrefix>& prefixes) {
    if (prefixes.empty()) return;
    out += fmt::format("{}{}", out.empty() ? "" : "; ", name);
    for (const IpPrefix& prefix : prefixes) out += " " + prefix.to_string();
  };
  add("ingress", options.ingress);
  add("hostile", options.hostile);
  if (!options.bpf.empty()) out += fmt::format("{}expression {}", out.empty() ? "" : "; ", options.bpf);
  return out;
}

// The networks in use, and those that were in use before: a thread may still be looking at them.
struct PacketFilter::Hostile {
  std::atomic<const PrefixSet*> current;
  std::unique_ptr<const PrefixSet> newest, before;

  explicit Hostile(const std::vector<IpPrefix>& networks) { use(networks); }
  void use(const std::vector<IpPrefix>& networks) {
    before = std::move(newest);
    newest = std::make_unique<const PrefixSet>(networks);
    current.store(newest.get(), std::memory_order_release);
  }
  const PrefixSet& get() const { return *current.load(std::memory_order_acquire); }
};

struct PacketFilter::Programs {
  std::map<LinkType, BpfProgram> by_link_type;

  Result<void> add(LinkType type, const std::string& expression) {
    if (by_link_type.contains(type)) return {};
    Result<BpfProgram> program = BpfProgram::compile(expression, type);
    if (!program) return fail("filter '{}': {}", expression, program.error().message);
    by_link_type.emplace(type, std::move(*program));
    return {};
  }

  bool selects(const Packet& packet) const {
    const auto program = by_link_type.find(packet.link_type);
    return program != by_link_type.end() && program->second.matches(packet);
  }
};

PacketFilter::PacketFilter() = default;
PacketFilter::PacketFilter(PacketFilter&&) noexcept = default;
PacketFilter::~PacketFilter() = default;

Result<PacketFilter> PacketFilter::compile(const FilterOptions& options, const std::vector<LinkType>& link_types) {
  PacketFilter filter;
  filter.ingress_ = PrefixSet(options.ingress);
  filter.hostile_ = std::make_unique<Hostile>(options.hostile);
  if (options.bpf.empty()) return filter;
  filter.programs_ = std::make_unique<Programs>();
  for (const LinkType type : link_types) {
    if (Result<void> added = filter.programs_->add(type, options.bpf); !added) return pass_on(added);
  }
  // A later file of a directory may bring another link type; an expression that makes no sense there selects nothing.
  for (const LinkType type : kLinkTypes) (void)filter.programs_->add(type, options.bpf);
  return filter;
}

void PacketFilter::replace_hostile(const std::vector<IpPrefix>& hostile) {
  hostile_->use(hostile);
}

PacketFilter::Verdict PacketFilter::addresses(const DecodedPacket& d) const {
  const PrefixSet& hostile = hostile_->get();
  if (ingress_.empty() && hostile.empty()) return Verdict::kPass;
  if (is_address_resolution(d)) return Verdict::kPass;
  if (d.ip_version == 0) return ingress_.empty() ? Verdict::kNotHostile : Verdict::kNotIngress;
  if (ingress_.empty()) {
    return hostile.contains(d.source) || hostile.contains(d.destination) ? Verdict::kPass : Verdict::kNotHostile;
  }
  const bool from = ingress_.contains(d.source), to = ingress_.contains(d.destination);
  if (!from && !to) return Verdict::kNotIngress;
  if (hostile.empty()) return Verdict::kPass;
  return (from && hostile.contains(d.destination)) || (to && hostile.contains(d.source)) ? Verdict::kPass
                                                                                         : Verdict::kNotHostile;
}

PacketFilter::Verdict PacketFilter::apply(const Packet& packet, const DecodedPacket& decoded) const {
  const Verdict verdict = addresses(decoded);
  if (verdict != Verdict::kPass || programs_ == nullptr) return verdict;
  return programs_->selects(packet) ? Verdict::kPass : Verdict::kBpf;
}

}  // namespace gatetape
