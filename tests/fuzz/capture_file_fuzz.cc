// Whole capture files: plain pcap, pcapng, what is compressed, and all else by libpcap. Packets must lie within their
// burst's memory and be of an interface that the file has, and every file must end, or fail, after a number of packets
// that its size allows, unless it is compressed.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "capture/sources/capture_file.h"
#include "common/check.h"

using namespace gatetape;

namespace {

constexpr size_t kCompressedPacketsMax = 100'000;

void read_to_end(CaptureFile& file, size_t size, bool compressed) {
  static FileBurst burst;
  size_t packets = 0;
  for (;;) {
    burst.count = 0;
    auto status = file.read(burst);
    if (!status || *status == ReadStatus::kEnd) return;
    GT_CHECK(*status == ReadStatus::kPackets && burst.count > 0);
    for (uint32_t i = 0; i < burst.count; i++) {
      const Packet& packet = burst.packets[i];
      GT_CHECK(packet.wire_length >= packet.captured_length);
      GT_CHECK(packet.interface_id < file.interfaces().size());
      GT_CHECK(packet.data >= burst.arena.data());
      GT_CHECK(packet.data + packet.captured_length <= burst.arena.data() + burst.arena.size());
    }
    packets += burst.count;
    if (compressed && packets > kCompressedPacketsMax) return;
    GT_CHECK(compressed || packets <= size);  // each takes at least its header
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int memory = memfd_create("capture file", 0);
  GT_CHECK(memory >= 0 && write(memory, data, size) == static_cast<ssize_t>(size));
  auto decompressor = Decompressor::of({data, size});
  const bool compressed = decompressor && *decompressor != nullptr;
  uint64_t scan_budget = 1 << 20;
  OpenMode mode;
  if (size % 2 == 0) mode.scan_budget = &scan_budget;
  if (auto file = open_capture_file("/proc/self/fd/" + std::to_string(memory), mode)) {
    read_to_end(**file, size, compressed);
  }
  close(memory);
  return 0;
}
