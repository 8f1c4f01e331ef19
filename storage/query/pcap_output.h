// Packets as a capture file: pcapng (draft-ietf-opsawg-pcapng) or classic pcap, both with nanoseconds, little-endian.
// Bytes, wire lengths, times and order are those given. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/result.h"
#include "packet/packet.h"
#include "packet/stored_packet.h"
#include "storage/query/output_file.h"

namespace gatetape {

enum class CaptureFormat : uint8_t { kPcapng, kPcap };

struct PcapOutputOptions {
  std::string path;             // "-": standard output
  FileSystem* files = nullptr;  // where the path lies; nullptr: the machine's
  Stop stop;                    // asked while a pipe's reader is waited for
  CaptureFormat format = CaptureFormat::kPcapng;
  std::vector<StoreInterface> interfaces;  // by Packet::interface_id
  std::string comment;                     // pcapng: of the section
};

class PcapOutput {
 public:
  static Result<std::unique_ptr<PcapOutput>> open(const PcapOutputOptions& options);

  // Fails when the file cannot be written, or when classic pcap cannot hold the packet: a second link type, or a time
  // before 1970 or after 2106.
  Result<void> write(const Packet& packet);
  // Everything written so far has left for the file. Classic pcap's header goes with the first packet.
  Result<void> flush() { return file_->flush(); }
  // pcapng: adds each interface's count, with the comment at the first. Then the file is complete and has its name;
  // without finish() it does not appear.
  Result<void> finish(std::string_view comment);

 private:
  struct Interface {
    StoreInterface about;
    uint64_t packets = 0;
    int64_t last_ns = 0;
    bool early = false;  // has the packets before 1970
  };

  PcapOutput(std::unique_ptr<OutputFile> file, const PcapOutputOptions& options);
  void section_header();
  void interface_description(const StoreInterface& about, bool early);
  void interface_statistics(size_t index, std::string_view comment);
  size_t interface_of(const Packet& packet);
  Result<void> write_pcap(const Packet& packet);
  void pcap_header(LinkType link_type);
  void write_pcapng(const Packet& packet);

  std::unique_ptr<OutputFile> file_;
  PcapOutputOptions options_;
  std::vector<Interface> interfaces_;                                 // in the order of their descriptions in the file
  std::map<std::tuple<uint16_t, LinkType, bool>, size_t> by_packet_;  // the last one: before 1970
  bool header_written_ = false;                                       // classic pcap
  LinkType link_type_ = LinkType::kEthernet;
};

}  // namespace gatetape
