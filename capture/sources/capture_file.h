// CaptureFile reads one pcap or pcapng file burst by burst. There are two implementations:
//   classic_pcap.cc  Plain pcap. The file is read straight into the burst and its packets point there, so that only the
//                    kernel copies. libpcap copies twice more and took three times as long.
//   libpcap_file.cc  All other formats that libpcap reads: pcapng, and old or modified pcap formats.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "capture/sources/byte_input.h"
#include "capture/sources/source.h"
#include "common/result.h"

namespace gatetape {

// A burst that owns its packets' bytes.
struct FileBurst : Burst {
  // Small, so that the few bursts in use stay in the cache between reader and worker. Grows for a larger packet.
  static constexpr size_t kArenaBytes = 256 << 10;
  std::atomic<bool> taken{false};
  std::vector<uint8_t> arena = std::vector<uint8_t>(kArenaBytes);

  void append(const uint8_t* data, uint32_t captured_length, uint32_t wire_length, int64_t timestamp_ns) {
    Packet& packet = packets[count++];
    packet.data = data;
    packet.captured_length = captured_length;
    // A file may claim fewer bytes than it holds; the account and the store rely on wire_length >= captured_length.
    packet.wire_length = wire_length < captured_length ? captured_length : wire_length;
    packet.timestamp_ns = timestamp_ns;
  }
};

enum class ReadStatus : uint8_t { kPackets, kNothingYet, kEnd };

class CaptureFile {
 public:
  virtual ~CaptureFile() = default;
  // Fills an empty burst with packets. Returns kNothingYet only for a pipe, after kPipeWaitMs. Fails when the file is
  // damaged, once everything before the damage has been handed out; the error names the file and the packet.
  virtual Result<ReadStatus> read(FileBurst& burst) = 0;
  const InterfaceInfo& interface() const { return interface_; }

 protected:
  InterfaceInfo interface_;
};

// The time that read() waits for a pipe: long enough to cost nothing, short enough for stop() to act at once.
inline constexpr int kPipeWaitMs = 50;

// A larger packet means damage, except on a few link types that libpcap knows (its MAXIMUM_SNAPLEN).
inline constexpr uint32_t kPacketBytesMax = 262144;

// Opens a file, or standard input for "-", and reads its header.
Result<std::unique_ptr<CaptureFile>> open_capture_file(const std::string& path);

// Returns null when `input` is not a plain pcap file, and then leaves `input` as it was.
Result<std::unique_ptr<CaptureFile>> open_classic_pcap(ByteInput& input);
Result<std::unique_ptr<CaptureFile>> open_with_libpcap(ByteInput input);

}  // namespace gatetape
