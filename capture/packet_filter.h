// PacketFilter decides which packets are recorded, by ingress addresses, hostile networks and a BPF expression.
//
// With both --ingress and --hostile, one side of a packet must be an ingress address and the other must lie in a
// hostile network. With --hostile alone, either side may. Address resolution (ARP, and IPv6 neighbour discovery, RFC
// 4861) always passes these two, because it proves which station held the ingress address; it is little traffic. Other
// packets without IP do not pass them. Any thread may apply a filter, also while its hostile networks are replaced.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture/prefix_set.h"
#include "common/result.h"
#include "packet/account.h"
#include "packet/decode.h"
#include "packet/packet.h"

namespace gatetape {

struct FilterOptions {
  std::vector<IpPrefix> ingress;
  std::vector<IpPrefix> hostile;
  std::string bpf;  // a tcpdump expression; empty: all packets pass
};

// The filters in words, for records: "ingress 10.9.0.100/128; expression tcp". Empty: everything is kept.
std::string describe(const FilterOptions& options);

// Fails with libpcap's message when a tcpdump expression makes sense for no type of link.
Result<void> check_packet_expression(const std::string& expression);

class PacketFilter {
 public:
  enum class Verdict : uint8_t { kPass, kNotIngress, kNotHostile, kBpf };

  // Compiles the expression for each link type. Fails with libpcap's message when it makes sense for none.
  static Result<PacketFilter> compile(const FilterOptions& options, const std::vector<LinkType>& link_types);
  PacketFilter(PacketFilter&&) noexcept;
  ~PacketFilter();

  Verdict apply(const Packet& packet, const DecodedPacket& decoded) const;
  // Replaces the hostile networks; packets that are looked at from now on meet the new ones. Precondition: no apply()
  // is still running that began before the last call. One thread.
  void replace_hostile(const std::vector<IpPrefix>& hostile);
  bool has_ingress() const { return !ingress_.empty(); }
  bool is_ingress(const IpAddress& address) const { return ingress_.contains(address); }

 private:
  struct Programs;
  struct Hostile;
  PacketFilter();
  Verdict addresses(const DecodedPacket& decoded) const;  // the verdict of the two address filters

  PrefixSet ingress_;
  std::unique_ptr<Hostile> hostile_;
  std::unique_ptr<Programs> programs_;  // null: no expression
};

}  // namespace gatetape
