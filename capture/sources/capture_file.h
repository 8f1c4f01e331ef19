// CaptureFile reads one capture file burst by burst. There are three implementations:
//   classic_pcap.cc  Plain pcap and
//   pcapng_file.cc   pcapng. The file is read straight into the burst and its packets point there (record_file.h), so
//                    that only the kernel copies. libpcap copies twice more and took three times as long.
//   libpcap_file.cc  All other formats that libpcap reads: old or modified pcap formats.
#pragma once

#include <algorithm>
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

  Packet& append(const uint8_t* data, uint32_t captured_length, uint32_t wire_length, int64_t timestamp_ns) {
    Packet& packet = packets[count++];
    packet.data = data;
    packet.captured_length = captured_length;
    // A file may claim fewer bytes than it holds; the account and the store rely on wire_length >= captured_length.
    packet.wire_length = wire_length < captured_length ? captured_length : wire_length;
    packet.timestamp_ns = timestamp_ns;
    packet.interface_id = 0;
    return packet;
  }
};

// An interface as its file describes it.
struct FileInterface {
  std::string name;      // empty: the file does not tell
  uint32_t ordinal = 0;  // among those of the same name in its section of the file
  LinkType link_type = LinkType::kEthernet;
  uint32_t snap_length = 0;  // 0: no limit

  // Whether they are taken for one, in a file's sections or in the files of a directory.
  bool same_as(const FileInterface& other) const {
    return link_type == other.link_type && ordinal == other.ordinal && name == other.name;
  }
};

// Returns the one of two snapshot lengths that holds for both; 0 is no limit.
inline uint32_t wider_snap_length(uint32_t a, uint32_t b) {
  return a == 0 || b == 0 ? 0 : std::max(a, b);
}

enum class ReadStatus : uint8_t { kPackets, kNothingYet, kEnd };

class CaptureFile {
 public:
  virtual ~CaptureFile() = default;
  // Fills an empty burst with packets, whose interface_id counts interfaces(). Returns kNothingYet only for a pipe or a
  // file that is followed, after kPipeWaitMs. Fails when the file is damaged, once everything before the damage has
  // been handed out; the error names the file and the packet.
  virtual Result<ReadStatus> read(FileBurst& burst) = 0;
  // Those found so far, none of them twice. read() may add to them: of a pipe, or behind the end of the scan budget.
  const std::vector<FileInterface>& interfaces() const { return interfaces_; }
  // It can be opened again by its path.
  virtual bool can_be_reopened() const = 0;

 protected:
  std::vector<FileInterface> interfaces_;
};

// The time that read() waits for a pipe: long enough to cost nothing, short enough for stop() to act at once.
inline constexpr int kPipeWaitMs = 50;

// A larger packet means damage, except on a few link types (libpcap's MAXIMUM_SNAPLEN).
inline constexpr uint32_t kPacketBytesMax = 262144;
uint32_t packet_bytes_max(LinkType link_type);

// How a file is opened.
struct OpenMode {
  bool follow = false;                      // it still grows
  const std::atomic<bool>* stop = nullptr;  // gives up waiting for the header of a file that is followed
  // Bytes of pcapng files that may be read beforehand to find interfaces which are described behind packets; what was
  // read is taken off. Null: none.
  uint64_t* scan_budget = nullptr;
};

// Opens a file, or standard input for "-", and reads its header.
Result<std::unique_ptr<CaptureFile>> open_capture_file(const std::string& path, const OpenMode& mode = {});

// Return null when `input` is not such a file, and then leave `input` as it was.
Result<std::unique_ptr<CaptureFile>> open_classic_pcap(ByteInput& input);
Result<std::unique_ptr<CaptureFile>> open_pcapng(ByteInput& input, uint64_t* scan_budget);
Result<std::unique_ptr<CaptureFile>> open_with_libpcap(ByteInput input);

}  // namespace gatetape
