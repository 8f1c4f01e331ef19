// Which packets are wanted: those of the ingress addresses, of hostile networks, and what a BPF expression selects.
//
// With both --ingress and --hostile a packet passes when one side is an ingress address and the other lies in a hostile
// network; with --hostile alone, when either side does. Address resolution (ARP; IPv6 neighbour discovery, RFC 4861)
// passes address filters whatever its addresses: it proves which station held the ingress address, and is little. Other
// frames without IP do not. Immutable after compile(); any thread.
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
  std::string bpf;  // a tcpdump expression; empty: everything
};

class PacketFilter {
 public:
  enum class Verdict : uint8_t { kPass, kNotIngress, kNotHostile, kBpf };

  // `link_types`: those the expression must make sense for. Fails with libpcap's message.
  static Result<PacketFilter> compile(const FilterOptions& options, const std::vector<LinkType>& link_types);
  PacketFilter(PacketFilter&&) noexcept;
  ~PacketFilter();

  Verdict apply(const Packet& packet, const DecodedPacket& decoded) const;
  bool has_ingress() const { return !ingress_.empty(); }
  bool is_ingress(const IpAddress& address) const { return ingress_.contains(address); }

 private:
  struct Programs;
  PacketFilter();
  Verdict addresses(const DecodedPacket& decoded) const;  // of IP or of anything else

  PrefixSet ingress_;
  PrefixSet hostile_;
  std::unique_ptr<Programs> programs_;  // null: no expression
};

}  // namespace gatetape
