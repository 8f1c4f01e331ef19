// One pcap or pcapng file, read burst by burst. What reads it hides behind CaptureFile, asked once per burst:
//   classic_pcap.cc  plain pcap: the file is read straight into the burst and its packets point there. One copy, the
//                    kernel's; libpcap copies twice more (stdio, its buffer) and took three times as long
//   libpcap_file.cc  all else that libpcap reads: pcapng, old and modified pcap formats
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
    // A file may claim less than it holds; the account and the store rely on the order of the two.
    packet.wire_length = wire_length < captured_length ? captured_length : wire_length;
    packet.timestamp_ns = timestamp_ns;
  }
};

enum class ReadStatus : uint8_t { kPackets, kNothingYet, kEnd };

class CaptureFile {
 public:
  virtual ~CaptureFile() = default;
  // Fills an empty burst: data, lengths and time of each packet. kNothingYet only from a pipe, after some waiting.
  // Damage is an error that names the file and the packet, once everything before it has been handed out.
  virtual Result<ReadStatus> read(FileBurst& burst) = 0;
  const InterfaceInfo& interface() const { return interface_; }

 protected:
  InterfaceInfo interface_;
};

// How long read() waits for a pipe: long enough to cost nothing, short enough for stop() to be felt at once.
inline constexpr int kPipeWaitMs = 50;

// Larger packets are damage, except on a few link types, which libpcap knows (its MAXIMUM_SNAPLEN).
inline constexpr uint32_t kPacketBytesMax = 262144;

// "-": standard input. Reads the file's header.
Result<std::unique_ptr<CaptureFile>> open_capture_file(const std::string& path);

// Null when `input` is not a plain pcap file; `input` is then as it was.
Result<std::unique_ptr<CaptureFile>> open_classic_pcap(ByteInput& input);
Result<std::unique_ptr<CaptureFile>> open_with_libpcap(ByteInput input);

}  // namespace gatetape
