#include "storage/format/format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>
#include <cstring>

#include "common/check.h"

namespace gatetape {
namespace {

constexpr char kSegmentMagic[9] = "GTSEGMNT";
constexpr char kTrailerMagic[9] = "GTSEALED";
constexpr size_t kSegmentHeaderFixedBytes = 128;

bool magic_at(std::span<const uint8_t> bytes, const char* magic) {
  return bytes.size() >= 8 && std::memcmp(bytes.data(), magic, 8) == 0;
}

uint32_t u32_at(std::span<const uint8_t> bytes, size_t offset) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

uint64_t checksum(std::span<const uint8_t> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t segment_id(const Uuid& uuid) {
  uint64_t id;
  std::memcpy(&id, uuid.data(), sizeof id);
  return id;
}

std::vector<uint8_t> SegmentHeader::serialise() const {
  ByteSink out;
  out.bytes(kSegmentMagic, 8);
  out.put(kFormatMajor);
  out.put(kFormatMinor);
  out.put(uint32_t{0});  // size, below
  out.put(kind);
  out.put(retention);
  out.put(worker);
  out.put(ordinal_domain);
  out.put(sequence);
  out.bytes(uuid);
  out.bytes(run_uuid);
  out.put(run_started_ns);
  out.put(created_ns);
  out.put(previous_sequence);
  out.bytes(previous_root);
  out.put(literal_block_bytes);
  out.put(static_cast<uint16_t>(interfaces.size()));
  out.put(uint16_t{0});
  GT_CHECK(out.size() == kSegmentHeaderFixedBytes);
  for (const StoreInterface& interface : interfaces) {
    out.put(interface.link_type);
    out.put(static_cast<uint16_t>(interface.name.size()));
    out.put(interface.snap_length);
    out.bytes(interface.name.data(), interface.name.size());
  }
  const auto size = static_cast<uint32_t>(out.size() + 8);
  GT_CHECK(size <= kHeaderBytesMax);
  std::memcpy(out.data() + 12, &size, sizeof size);
  out.put(checksum(out.bytes()));
  return {out.data(), out.data() + out.size()};
}

Result<SegmentHeader> SegmentHeader::parse(std::span<const uint8_t> bytes, size_t& header_bytes) {
  if (!magic_at(bytes, kSegmentMagic) || bytes.size() < kSegmentHeaderFixedBytes + 8) return fail("not a segment");
  ByteSource in(bytes);
  in.view(8);
  const auto major = in.get<uint16_t>();
  const auto minor = in.get<uint16_t>();
  if (major != kFormatMajor) return fail("format {}.{}: written by another version of Gatetape", major, minor);
  const auto size = in.get<uint32_t>();
  if (size < kSegmentHeaderFixedBytes + 8 || size > kHeaderBytesMax || size > bytes.size()) {
    return fail("damaged segment header");
  }
  uint64_t stated;
  std::memcpy(&stated, bytes.data() + size - 8, sizeof stated);
  if (checksum(bytes.first(size - 8)) != stated) return fail("damaged segment header");
  SegmentHeader header;
  header.kind = in.get<SegmentKind>();
  header.retention = in.get<RetentionClass>();
  header.worker = in.get<uint16_t>();
  header.ordinal_domain = in.get<uint32_t>();
  header.sequence = in.get<uint64_t>();
  in.bytes(header.uuid.data(), header.uuid.size());
  in.bytes(header.run_uuid.data(), header.run_uuid.size());
  header.run_started_ns = in.get<int64_t>();
  header.created_ns = in.get<int64_t>();
  header.previous_sequence = in.get<uint64_t>();
  in.bytes(header.previous_root.data(), header.previous_root.size());
  header.literal_block_bytes = in.get<uint32_t>();
  const auto interfaces = in.get<uint16_t>();
  in.get<uint16_t>();
  for (int i = 0; i < interfaces && in.ok(); i++) {
    StoreInterface interface;
    interface.link_type = in.get<LinkType>();
    const auto name_bytes = in.get<uint16_t>();
    interface.snap_length = in.get<uint32_t>();
    const auto name = in.view(name_bytes);
    interface.name.assign(name.begin(), name.end());
    header.interfaces.push_back(std::move(interface));
  }
  const bool kind_known = header.kind == SegmentKind::kPackets || header.kind == SegmentKind::kRecords;
  if (!in.ok() || !kind_known || static_cast<int>(header.retention) >= kRetentionClassCount ||
      header.literal_block_bytes == 0 || header.literal_block_bytes > kSectionBytesMax) {
    return fail("segment header with impossible values");
  }
  header_bytes = size;
  return header;
}

uint64_t FrameHeader::stored_bytes() const {
  uint64_t bytes = header_bytes();
  for (const Section& section : sections) bytes += section.stored_bytes;
  return bytes;
}

void FrameHeader::serialise(uint8_t* out) const {
  ByteSink sink;
  sink.bytes(kFrameMagic, 8);
  sink.put(header_bytes());
  sink.put(kind);
  sink.put(static_cast<uint16_t>(sections.size()));
  sink.put(segment_id);
  sink.put(number);
  sink.put(packets);
  sink.put(ordinal_min);
  sink.put(ordinal_max);
  sink.put(time_min_ns);
  sink.put(time_max_ns);
  sink.put(captured_bytes);
  sink.put(literal_position);
  sink.put(literal_bytes);
  sink.put(payload_bytes);
  sink.put(account_added);
  sink.put(account_dropped);
  sink.bytes(root);
  GT_CHECK(sink.size() == kFrameHeaderFixedBytes);
  for (const Section& section : sections) {
    sink.put(section.type);
    sink.put(section.codec);
    sink.put(section.flags);
    sink.put(section.stored_bytes);
    sink.put(section.raw_bytes);
    sink.put(uint32_t{0});
    sink.put(section.checksum);
  }
  sink.put(checksum(sink.bytes()));
  std::memcpy(out, sink.data(), sink.size());
}

FrameHeader::Parse FrameHeader::parse(std::span<const uint8_t> bytes, uint64_t segment_id, FrameHeader& header,
                                      size_t& header_bytes_needed) {
  header_bytes_needed = kFrameHeaderFixedBytes + 8;
  if (bytes.size() < header_bytes_needed) return Parse::kNeedMore;
  if (!magic_at(bytes, kFrameMagic)) return Parse::kDamaged;
  const uint32_t size = u32_at(bytes, 8);
  ByteSource in(bytes.subspan(12));
  header.kind = in.get<FrameKind>();
  const auto sections = in.get<uint16_t>();
  if (size > kHeaderBytesMax || size < frame_header_bytes(sections)) return Parse::kDamaged;
  header_bytes_needed = size;
  if (bytes.size() < size) return Parse::kNeedMore;
  uint64_t stated;
  std::memcpy(&stated, bytes.data() + size - 8, sizeof stated);
  if (checksum(bytes.first(size - 8)) != stated) return Parse::kDamaged;
  header.segment_id = in.get<uint64_t>();
  if (header.segment_id != segment_id) return Parse::kDamaged;
  header.number = in.get<uint32_t>();
  header.packets = in.get<uint32_t>();
  header.ordinal_min = in.get<uint64_t>();
  header.ordinal_max = in.get<uint64_t>();
  header.time_min_ns = in.get<int64_t>();
  header.time_max_ns = in.get<int64_t>();
  header.captured_bytes = in.get<uint64_t>();
  header.literal_position = in.get<uint64_t>();
  header.literal_bytes = in.get<uint32_t>();
  header.payload_bytes = in.get<uint32_t>();
  header.account_added = in.get<uint64_t>();
  header.account_dropped = in.get<uint64_t>();
  in.bytes(header.root.data(), header.root.size());
  header.sections.clear();
  const size_t bytes_max = header.kind == FrameKind::kIndex ? kIndexSectionBytesMax : kSectionBytesMax;
  for (int i = 0; i < sections; i++) {
    Section section;
    section.type = in.get<SectionType>();
    section.codec = in.get<Codec>();
    section.flags = in.get<uint8_t>();
    section.stored_bytes = in.get<uint32_t>();
    section.raw_bytes = in.get<uint32_t>();
    in.get<uint32_t>();
    section.checksum = in.get<uint64_t>();
    if (section.stored_bytes > bytes_max || section.raw_bytes > bytes_max) return Parse::kDamaged;
    header.sections.push_back(section);
  }
  if (header.literal_bytes > kSectionBytesMax || header.payload_bytes > kSectionBytesMax) return Parse::kDamaged;
  return Parse::kOk;
}

std::array<uint8_t, Trailer::kBytes> Trailer::serialise() const {
  std::array<uint8_t, kBytes> out;
  std::memcpy(out.data(), kTrailerMagic, 8);
  std::memcpy(out.data() + 8, &index_offset, 8);
  std::memcpy(out.data() + 16, &file_bytes, 8);
  const uint64_t sum = checksum({out.data(), 24});
  std::memcpy(out.data() + 24, &sum, 8);
  return out;
}

bool Trailer::parse(std::span<const uint8_t> bytes, Trailer& trailer) {
  if (bytes.size() != kBytes || !magic_at(bytes, kTrailerMagic)) return false;
  ByteSource in(bytes.subspan(8));
  trailer.index_offset = in.get<uint64_t>();
  trailer.file_bytes = in.get<uint64_t>();
  return in.get<uint64_t>() == checksum(bytes.first(24));
}

FrameEntry FrameEntry::from(const FrameHeader& header, uint64_t offset) {
  FrameEntry entry;
  entry.offset = offset;
  entry.header_bytes = header.header_bytes();
  entry.packets = header.packets;
  entry.time_min_ns = header.time_min_ns;
  entry.time_max_ns = header.time_max_ns;
  entry.ordinal_min = header.ordinal_min;
  entry.ordinal_max = header.ordinal_max;
  entry.literal_position = header.literal_position;
  entry.literal_bytes = header.literal_bytes;
  entry.stored_bytes = static_cast<uint32_t>(header.stored_bytes());
  entry.captured_bytes = header.captured_bytes;
  entry.root = header.root;
  return entry;
}

void FrameEntry::serialise(ByteSink& out) const {
  out.put(offset);
  out.put(header_bytes);
  out.put(packets);
  out.put(time_min_ns);
  out.put(time_max_ns);
  out.put(ordinal_min);
  out.put(ordinal_max);
  out.put(literal_position);
  out.put(literal_bytes);
  out.put(stored_bytes);
  out.put(captured_bytes);
  out.zeros(kReservedBytes);
  out.bytes(root);
}

FrameEntry FrameEntry::parse(ByteSource& in) {
  FrameEntry entry;
  entry.offset = in.get<uint64_t>();
  entry.header_bytes = in.get<uint32_t>();
  entry.packets = in.get<uint32_t>();
  entry.time_min_ns = in.get<int64_t>();
  entry.time_max_ns = in.get<int64_t>();
  entry.ordinal_min = in.get<uint64_t>();
  entry.ordinal_max = in.get<uint64_t>();
  entry.literal_position = in.get<uint64_t>();
  entry.literal_bytes = in.get<uint32_t>();
  entry.stored_bytes = in.get<uint32_t>();
  entry.captured_bytes = in.get<uint64_t>();
  in.view(kReservedBytes);
  in.bytes(entry.root.data(), entry.root.size());
  return entry;
}

void SegmentSummary::serialise(ByteSink& out) const {
  out.bytes(root);
  out.put(packets);
  out.put(captured_bytes);
  out.put(account_added);
  out.put(account_dropped);
  out.put(time_min_ns);
  out.put(time_max_ns);
  out.put(torn_bytes);
}

SegmentSummary SegmentSummary::parse(ByteSource& in) {
  SegmentSummary summary;
  in.bytes(summary.root.data(), summary.root.size());
  summary.packets = in.get<uint64_t>();
  summary.captured_bytes = in.get<uint64_t>();
  summary.account_added = in.get<uint64_t>();
  summary.account_dropped = in.get<uint64_t>();
  summary.time_min_ns = in.get<int64_t>();
  summary.time_max_ns = in.get<int64_t>();
  summary.torn_bytes = in.get<uint64_t>();
  return summary;
}

Sha256Digest frame_root(const Uuid& uuid, const FrameHeader& header, std::span<const uint8_t> lanes,
                        std::vector<Sha256Digest>& leaves) {
  ByteSink message;
  message.put(uint8_t{2});
  message.bytes(uuid);
  message.put(header.number);
  message.put(header.account_added);
  message.put(header.account_dropped);
  message.bytes(sha256(lanes));
  message.put(static_cast<uint32_t>(leaves.size()));
  message.bytes(tree_root(leaves));
  return sha256(message.bytes());
}

Sha256Digest segment_root(std::span<const uint8_t> header, std::vector<Sha256Digest> frame_roots) {
  ByteSink message;
  message.put(uint8_t{3});
  message.bytes(sha256(header));
  message.put(static_cast<uint32_t>(frame_roots.size()));
  message.bytes(tree_root(frame_roots));
  return sha256(message.bytes());
}

std::string segment_file_name(const SegmentHeader& header) {
  if (header.kind == SegmentKind::kRecords) return fmt::format("{:012}-records.gtr", header.sequence);
  return fmt::format("{:012}-w{:03}-{}.gtp", header.sequence, header.worker, to_string(header.retention));
}

std::string stream_name(const std::string& file_name) {
  return file_name.substr(13);
}

bool parse_segment_file_name(std::string_view name, uint64_t& sequence, SegmentKind& kind) {
  if (name.size() < 12 + 5 || name[12] != '-') return false;
  if (name.ends_with(".gtp")) {
    kind = SegmentKind::kPackets;
  } else if (name.ends_with(".gtr")) {
    kind = SegmentKind::kRecords;
  } else {
    return false;
  }
  const auto [end, error] = std::from_chars(name.data(), name.data() + 12, sequence);
  return error == std::errc() && end == name.data() + 12;
}

}  // namespace gatetape
