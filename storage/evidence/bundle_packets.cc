#include "storage/evidence/bundle_packets.h"

#include <algorithm>
#include <cstring>

#include "common/clock.h"
#include "storage/format/byte_order.h"

namespace gatetape {
namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a, kInterfaceDescription = 1, kInterfaceStatistics = 5,
                   kEnhancedPacket = 6, kByteOrder = 0x1a2b3c4d;
constexpr uint16_t kOptionEnd = 0, kInterfaceName = 2, kInterfaceTimeResolution = 9, kInterfaceTimeOffset = 14;
constexpr uint8_t kNanoseconds = 9;
constexpr size_t kBlockBytesMin = 12, kBlockBytesMax = 1 << 20, kWindowBytes = 4 << 20;

size_t padded(size_t bytes) {
  return (bytes + 3) / 4 * 4;
}

}  // namespace

Result<BundlePackets> BundlePackets::open(FileSystem& files, const std::string& path) {
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  const auto status = (*file)->status();
  if (!status) return tl::unexpected(status.error());
  return BundlePackets(std::move(*file), status->bytes);
}

BundlePackets::Next BundlePackets::damaged(std::string problem) {
  problem_ = std::move(problem);
  return Next::kDamaged;
}

// The block at next_, its body without type and lengths.
bool BundlePackets::take_block(uint32_t& type, std::span<const uint8_t>& body, Next& otherwise) {
  begin_ = next_;
  const auto window = [&](size_t size) -> std::span<const uint8_t> {
    if (begin_ < window_begin_ || begin_ + size > window_begin_ + window_.size()) {
      window_.resize(
          std::max<size_t>(size, std::min<uint64_t>(kWindowBytes, file_bytes_ - std::min(begin_, file_bytes_))));
      const auto got = file_->read_at(begin_, window_);
      window_begin_ = begin_;
      window_.resize(got ? *got : 0);
      if (!got) problem_ = got.error().message;
    }
    const size_t at = std::min<size_t>(begin_ - window_begin_, window_.size());
    return std::span<const uint8_t>(window_).subspan(at, std::min(size, window_.size() - at));
  };
  problem_.clear();
  const auto head = window(8);
  otherwise = !problem_.empty() ? Next::kUnreadable : head.empty() ? Next::kEnd : damaged("a block is cut short");
  if (head.size() < 8) return false;
  uint32_t total = 0, total_again = 0;
  std::memcpy(&type, head.data(), sizeof type);
  std::memcpy(&total, head.data() + 4, sizeof total);
  otherwise = damaged("no block is here");
  if (total < kBlockBytesMin || total % 4 != 0 || total > kBlockBytesMax) return false;
  problem_.clear();
  const auto whole = window(total);
  otherwise = problem_.empty() ? damaged("a block is cut short") : Next::kUnreadable;
  if (whole.size() < total) return false;
  std::memcpy(&total_again, whole.data() + total - 4, sizeof total_again);
  otherwise = damaged("a block's two lengths differ");
  if (total_again != total) return false;
  body = whole.subspan(8, total - kBlockBytesMin);
  next_ += total;
  return true;
}

// False: it says something that would have packets read otherwise than they were recorded.
bool BundlePackets::add_interface(std::span<const uint8_t> body) {
  ByteSource in(body);
  StoreInterface interface;
  interface.link_type = in.get<LinkType>();
  in.get<uint16_t>();
  interface.snap_length = in.get<uint32_t>();
  bool nanoseconds = false;
  uint64_t offset_seconds = 0;  // below 0 as two's complement
  while (in.ok() && !in.at_end()) {
    const auto code = in.get<uint16_t>(), size = in.get<uint16_t>();
    const auto value = in.view(padded(size)).first(in.ok() ? size : 0);
    if (code == kOptionEnd) break;
    if (code == kInterfaceName) {
      interface.name.assign(value.begin(), value.end());
    } else if (code == kInterfaceTimeResolution) {
      nanoseconds = value.size() == 1 && value[0] == kNanoseconds;
    } else if (code == kInterfaceTimeOffset && value.size() == sizeof offset_seconds) {
      std::memcpy(&offset_seconds, value.data(), sizeof offset_seconds);
    } else {
      return false;
    }
  }
  if (!in.ok() || !in.at_end() || !nanoseconds) return false;
  interfaces_.push_back(std::move(interface));
  offsets_ns_.push_back(offset_seconds * kNanosecondsPerSecond);
  return true;
}

BundlePackets::Next BundlePackets::next(Packet& packet) {
  for (;;) {
    uint32_t type = 0;
    std::span<const uint8_t> body;
    Next otherwise = Next::kEnd;
    if (!take_block(type, body, otherwise)) return otherwise;
    ByteSource in(body);
    if (begin_ == 0) {
      if (type != kSectionHeader || in.get<uint32_t>() != kByteOrder || in.get<uint32_t>() != 1) {
        return damaged("not a pcapng file of version 1.0 in little-endian order");
      }
      continue;
    }
    if (type == kInterfaceStatistics) {
      ended_ = true;
      continue;
    }
    if (ended_) return damaged("a block after the statistics");
    if (type == kInterfaceDescription) {
      if (!add_interface(body)) return damaged("an interface is not described as Gatetape does");
      continue;
    }
    if (type != kEnhancedPacket) return damaged(fmt::format("a block of type {}", type));
    const auto interface = in.get<uint32_t>(), high = in.get<uint32_t>(), low = in.get<uint32_t>();
    packet.captured_length = in.get<uint32_t>();
    packet.wire_length = in.get<uint32_t>();
    if (!in.ok() || interface >= interfaces_.size()) return damaged("a packet of no interface");
    packet.timestamp_ns = static_cast<int64_t>((uint64_t{high} << 32 | low) + offsets_ns_[interface]);
    if (in.remaining() != padded(packet.captured_length)) return damaged("a packet of another length than it says");
    packet.data = in.view(packet.captured_length).data();
    const auto padding = in.view(in.remaining());
    if (std::ranges::any_of(padding, [](uint8_t byte) { return byte != 0; }))
      return damaged("padding that is not zero");
    packet.interface_id = static_cast<uint16_t>(interface);
    packet.link_type = interfaces_[interface].link_type;
    return Next::kPacket;
  }
}

}  // namespace gatetape
