#include "expression/bpf_program.h"

#include <pcap/pcap.h>

#include <cstdio>

namespace gatetape {

namespace {

constexpr uint32_t kSnapLength = 262144;  // tcpdump's default; a larger packet matches as well

struct Closer {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};
using Handle = std::unique_ptr<pcap_t, Closer>;

// Opens an empty file of this link type and byte order, because libpcap compiles for files otherwise than for devices:
// it knows of loopback files from other systems, and refuses what only a device can tell (inbound).
Result<Handle> open_empty_file(LinkType link_type, bool swapped) {
  const auto number = [&](uint32_t value) { return swapped ? __builtin_bswap32(value) : value; };
  constexpr uint32_t kMagic = 0xa1b2c3d4, kVersion = 2 | 4 << 16, kVersionSwapped = 4 | 2 << 16;
  uint32_t header[6] = {number(kMagic),      number(swapped ? kVersionSwapped : kVersion), 0, 0,
                        number(kSnapLength), number(static_cast<uint32_t>(link_type))};
  std::FILE* file = ::fmemopen(header, sizeof header, "rb");
  if (file == nullptr) return fail("no memory for a filter");
  char error[PCAP_ERRBUF_SIZE] = "";
  Handle handle(pcap_fopen_offline(file, error));
  if (handle) return handle;
  std::fclose(file);
  return fail("link type {} is not known to libpcap: {}", static_cast<int>(link_type), error);
}

}  // namespace

void BpfProgram::Free::operator()(bpf_program* program) const {
  pcap_freecode(program);
  delete program;
}

Result<BpfProgram::Code> BpfProgram::compile_code(const std::string& expression, LinkType link_type, bool swapped) {
  Result<Handle> handle = open_empty_file(link_type, swapped);
  if (!handle) return pass_on(handle);
  Code code(new bpf_program{});
  constexpr bpf_u_int32 kNetmaskOfFile = 0;  // tcpdump passes this when it reads a file
  if (pcap_compile(handle->get(), code.get(), expression.c_str(), 1, kNetmaskOfFile) != 0) {
    return fail("{}", pcap_geterr(handle->get()));
  }
  return code;
}

Result<BpfProgram> BpfProgram::compile(const std::string& expression, LinkType link_type) {
  BpfProgram program;
  Result<Code> code = compile_code(expression, link_type, false);
  if (!code) return pass_on(code);
  program.code_ = std::move(*code);
  if (link_type != LinkType::kNull) return program;
  Result<Code> swapped = compile_code(expression, link_type, true);
  if (!swapped) return pass_on(swapped);
  program.swapped_code_ = std::move(*swapped);
  return program;
}

// The address family of a loopback packet is in the byte order of its machine, and small.
const bpf_program* BpfProgram::code_for(const Packet& packet) const {
  const bool swapped = swapped_code_ != nullptr && packet.captured_length >= 4 && packet.data[0] == 0 &&
                       packet.data[1] == 0 && (packet.data[2] != 0 || packet.data[3] != 0);
  return swapped ? swapped_code_.get() : code_.get();
}

bool BpfProgram::matches(const Packet& packet) const {
  pcap_pkthdr header{};
  header.caplen = packet.captured_length;
  header.len = packet.wire_length;
  return pcap_offline_filter(code_for(packet), &header, packet.data) != 0;
}

}  // namespace gatetape
