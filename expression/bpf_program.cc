#include "expression/bpf_program.h"

#include <pcap/pcap.h>

namespace gatetape {

namespace {

constexpr int kSnapLength = 262144;  // tcpdump's default; a larger packet matches as well

// The number of a link type in files is not always libpcap's own (DLT_): raw IP is 101 in files and 12 in libpcap.
int data_link_type(LinkType type) {
  return type == LinkType::kRaw ? DLT_RAW : static_cast<int>(type);
}

}  // namespace

void BpfProgram::Free::operator()(bpf_program* program) const {
  pcap_freecode(program);
  delete program;
}

Result<BpfProgram> BpfProgram::compile(const std::string& expression, LinkType link_type) {
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> dead(pcap_open_dead(data_link_type(link_type), kSnapLength),
                                                            &pcap_close);
  if (!dead) return fail("link type {} is not known to libpcap", static_cast<int>(link_type));
  std::unique_ptr<bpf_program, Free> program(new bpf_program{});
  constexpr bpf_u_int32 kNetmaskOfFile = 0;  // tcpdump passes this when it reads a file
  if (pcap_compile(dead.get(), program.get(), expression.c_str(), 1, kNetmaskOfFile) != 0) {
    return fail("{}", pcap_geterr(dead.get()));
  }
  return BpfProgram(std::move(program));
}

bool BpfProgram::matches(const Packet& packet) const {
  pcap_pkthdr header{};
  header.caplen = packet.captured_length;
  header.len = packet.wire_length;
  return pcap_offline_filter(program_.get(), &header, packet.data) != 0;
}

}  // namespace gatetape
