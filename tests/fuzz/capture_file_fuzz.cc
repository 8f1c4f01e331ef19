// Whole capture files, plain pcap by our reader and all else by libpcap. Packets must lie within their burst's memory,
// and every file must end, or fail, after a number of packets that its size allows.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "capture/sources/capture_file.h"
#include "common/check.h"

using namespace gatetape;

namespace {

void read_to_end(CaptureFile& file, size_t size) {
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
      GT_CHECK(packet.data >= burst.arena.data());
      GT_CHECK(packet.data + packet.captured_length <= burst.arena.data() + burst.arena.size());
    }
    packets += burst.count;
    GT_CHECK(packets <= size);  // each takes at least its header
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int memory = memfd_create("capture file", 0);
  GT_CHECK(memory >= 0 && write(memory, data, size) == static_cast<ssize_t>(size));
  if (auto file = open_capture_file("/proc/self/fd/" + std::to_string(memory))) read_to_end(**file, size);
  close(memory);
  return 0;
}
