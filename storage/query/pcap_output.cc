#include "storage/query/pcap_output.h"

#include <algorithm>
#include <cstring>

#include "common/time_text.h"

namespace gatetape {

namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a, kInterfaceDescription = 1, kInterfaceStatistics = 5,
                   kEnhancedPacket = 6;
constexpr uint16_t kOptionEnd = 0, kOptionComment = 1;
constexpr uint16_t kSectionApplication = 4;
constexpr uint16_t kInterfaceName = 2, kInterfaceText = 3, kInterfaceTimeResolution = 9, kInterfaceTimeOffset = 14;
constexpr uint16_t kStatisticsDelivered = 8;
constexpr uint32_t kPcapMagicNanoseconds = 0xa1b23c4d;
constexpr uint32_t kSnapLengthMin = 262144;  // readers refuse packets longer than a file's snap length
constexpr size_t kOptionBytesMax = 65535;
// pcapng's times are counted from zero. Those before 1970 are of an interface that counts from here, before all times
// that 64 bits of nanoseconds hold.
constexpr int64_t kEarlyOffsetSeconds = INT64_MIN / kNanosecondsPerSecond - 1;

// A block or header being put together, little-endian.
class Bytes {
 public:
  template <class Integer>
  Bytes& add(Integer value) {
    for (size_t i = 0; i < sizeof(Integer); ++i) {
      bytes_.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
    }
    return *this;
  }
  // The high half first, as pcapng has times.
  Bytes& add_time(uint64_t time) { return add(static_cast<uint32_t>(time >> 32)).add(static_cast<uint32_t>(time)); }
  Bytes& option(uint16_t code, std::string_view value) {
    value = value.substr(0, kOptionBytesMax);
    add(code).add(static_cast<uint16_t>(value.size()));
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
    return *this;
  }
  std::span<const uint8_t> span() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

void append_block(OutputFile& file, uint32_t type, const Bytes& body) {
  const auto total = static_cast<uint32_t>(body.span().size() + 12);
  Bytes frame;
  file.append(frame.add(type).add(total).span());
  file.append(body.span());
  file.append(Bytes().add(total).span());
}

// The time as an interface counts it that is `early` or not.
uint64_t counted_time(int64_t timestamp_ns, bool early) {
  constexpr uint64_t kEarlyOffset = static_cast<uint64_t>(-kEarlyOffsetSeconds) * kNanosecondsPerSecond;
  return static_cast<uint64_t>(timestamp_ns) + (early ? kEarlyOffset : 0);
}

}  // namespace

PcapOutput::PcapOutput(std::unique_ptr<OutputFile> file, const PcapOutputOptions& options)
    : file_(std::move(file)), options_(options) {}

Result<std::unique_ptr<PcapOutput>> PcapOutput::open(const PcapOutputOptions& options) {
  Result<std::unique_ptr<OutputFile>> file =
      OutputFile::open(options.path, options.files != nullptr ? *options.files : system_files(), options.stop);
  if (!file) return pass_on(file);
  std::unique_ptr<PcapOutput> output(new PcapOutput(std::move(*file), options));
  if (options.format == CaptureFormat::kPcapng) {
    output->section_header();
    for (size_t i = 0; i < options.interfaces.size(); ++i) {
      output->by_packet_[{static_cast<uint16_t>(i), options.interfaces[i].link_type, false}] = i;
      output->interface_description(options.interfaces[i], false);
    }
  }
  return output;
}

Result<void> PcapOutput::write(const Packet& packet) {
  if (options_.format == CaptureFormat::kPcap) return write_pcap(packet);
  write_pcapng(packet);
  return file_->status();
}

Result<void> PcapOutput::finish(std::string_view comment) {
  if (options_.format == CaptureFormat::kPcap) {
    if (!header_written_) pcap_header(options_.interfaces.empty() ? link_type_ : options_.interfaces[0].link_type);
  } else {
    for (size_t i = 0; i < interfaces_.size(); ++i) interface_statistics(i, i == 0 ? comment : "");
  }
  return file_->finish();
}

// ---------------------------------------------------------------- pcapng

void PcapOutput::section_header() {
  Bytes body;
  body.add(uint32_t{0x1a2b3c4d}).add(uint16_t{1}).add(uint16_t{0}).add(int64_t{-1});
  body.option(kSectionApplication, "Gatetape");
  if (!options_.comment.empty()) body.option(kOptionComment, options_.comment);
  append_block(*file_, kSectionHeader, body.option(kOptionEnd, ""));
}

void PcapOutput::interface_description(const StoreInterface& about, bool early) {
  Bytes body;
  body.add(static_cast<uint16_t>(about.link_type)).add(uint16_t{0}).add(about.snap_length);
  if (!about.name.empty()) body.option(kInterfaceName, about.name);
  if (!about.store.empty()) body.option(kInterfaceText, "of the store " + about.store);
  body.option(kInterfaceTimeResolution, "\x09");
  if (early) {
    Bytes offset;
    offset.add(kEarlyOffsetSeconds);
    body.option(kInterfaceTimeOffset, {reinterpret_cast<const char*>(offset.span().data()), offset.span().size()});
  }
  append_block(*file_, kInterfaceDescription, body.option(kOptionEnd, ""));
  interfaces_.push_back({about, 0, 0, early});
}

void PcapOutput::interface_statistics(size_t index, std::string_view comment) {
  const Interface& interface = interfaces_[index];
  Bytes body, count;
  count.add(interface.packets);
  body.add(static_cast<uint32_t>(index)).add_time(counted_time(interface.last_ns, interface.early));
  if (!comment.empty()) body.option(kOptionComment, comment);
  body.option(kStatisticsDelivered, {reinterpret_cast<const char*>(count.span().data()), count.span().size()});
  append_block(*file_, kInterfaceStatistics, body.option(kOptionEnd, ""));
}

// A packet of an interface that the store did not announce (a second capture into it) gets a description of its own,
// and so do the packets before 1970 of any interface.
size_t PcapOutput::interface_of(const Packet& packet) {
  const bool early = packet.timestamp_ns < 0;
  const std::tuple<uint16_t, LinkType, bool> key{packet.interface_id, packet.link_type, early};
  const auto found = by_packet_.find(key);
  if (found != by_packet_.end()) return found->second;
  const size_t index = interfaces_.size();
  const bool announced = packet.interface_id < options_.interfaces.size() &&
                         options_.interfaces[packet.interface_id].link_type == packet.link_type;
  interface_description(
      announced ? options_.interfaces[packet.interface_id]
                : StoreInterface{fmt::format("interface {}", packet.interface_id), packet.link_type, kSnapLengthMin},
      early);
  by_packet_.emplace(key, index);
  return index;
}

void PcapOutput::write_pcapng(const Packet& packet) {
  const size_t index = interface_of(packet);
  Interface& interface = interfaces_[index];
  ++interface.packets;
  interface.last_ns = packet.timestamp_ns;

  const uint32_t padding = (4 - packet.captured_length % 4) % 4;
  const uint32_t total = 32 + packet.captured_length + padding;
  const uint64_t time = counted_time(packet.timestamp_ns, interface.early);
  const uint32_t header[7] = {kEnhancedPacket,
                              total,
                              static_cast<uint32_t>(index),
                              static_cast<uint32_t>(time >> 32),
                              static_cast<uint32_t>(time),
                              packet.captured_length,
                              packet.wire_length};
  const uint32_t zero = 0;
  file_->append({reinterpret_cast<const uint8_t*>(header), sizeof(header)});
  file_->append(packet.bytes());
  file_->append({reinterpret_cast<const uint8_t*>(&zero), padding});
  file_->append({reinterpret_cast<const uint8_t*>(&total), sizeof(total)});
}

// ---------------------------------------------------------------- classic pcap

void PcapOutput::pcap_header(LinkType link_type) {
  Bytes header;
  uint32_t snap_length = kSnapLengthMin;
  for (const StoreInterface& interface : options_.interfaces)
    snap_length = std::max(snap_length, interface.snap_length);
  header.add(kPcapMagicNanoseconds).add(uint16_t{2}).add(uint16_t{4}).add(uint32_t{0}).add(uint32_t{0});
  file_->append(header.add(snap_length).add(static_cast<uint32_t>(link_type)).span());
  link_type_ = link_type;
  header_written_ = true;
}

Result<void> PcapOutput::write_pcap(const Packet& packet) {
  if (!header_written_) pcap_header(packet.link_type);
  if (packet.link_type != link_type_) {
    return fail("packets of link types {} and {} do not fit into one pcap file: use --format pcapng",
                static_cast<int>(link_type_), static_cast<int>(packet.link_type));
  }
  const int64_t seconds = packet.timestamp_ns / kNanosecondsPerSecond;
  if (packet.timestamp_ns < 0 || seconds > UINT32_MAX) {
    return fail("a packet of {} does not fit into a pcap file: use --format pcapng", format_time(packet.timestamp_ns));
  }
  const uint32_t header[4] = {static_cast<uint32_t>(seconds),
                              static_cast<uint32_t>(packet.timestamp_ns % kNanosecondsPerSecond),
                              packet.captured_length, packet.wire_length};
  file_->append({reinterpret_cast<const uint8_t*>(header), sizeof(header)});
  file_->append(packet.bytes());
  return file_->status();
}

}  // namespace gatetape
