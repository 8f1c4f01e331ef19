#include "capture/sources/capture_file.h"

namespace gatetape {

uint32_t packet_bytes_max(LinkType link_type) {
  constexpr uint16_t kDbus = 231, kUsbPcap = 249, kEbhscr = 279;  // link types with packets of megabytes
  const auto number = static_cast<uint16_t>(link_type);
  return number == kDbus || number == kUsbPcap || number == kEbhscr ? 128u << 20 : kPacketBytesMax;
}

Result<std::unique_ptr<CaptureFile>> open_capture_file(const std::string& path, const OpenMode& mode) {
  auto input = ByteInput::open(path);
  if (!input) return pass_on(input);
  if (mode.follow) {
    if (Result<void> followed = input->follow(mode.stop); !followed) return pass_on(followed);
  }
  auto begin = input->peek(1);
  if (!begin) return pass_on(begin);
  if (begin->empty()) return fail("pcap:{}: is empty", input->name());
  auto classic = open_classic_pcap(*input);
  if (!classic || *classic) return classic;
  auto next_generation = open_pcapng(*input, mode.scan_budget);
  if (!next_generation || *next_generation) return next_generation;
  if (mode.follow) return fail("pcap:{}: only pcap and pcapng files can be followed", input->name());
  return open_with_libpcap(std::move(*input));
}

}  // namespace gatetape
