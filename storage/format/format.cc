#include "storage/format/format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>
#include <cstring>

#include "common/check.h"
#include "storage/format/layout.h"

namespace gatetape {
namespace {

constexpr char kSegmentMagic[9] = "GTSEGMNT";
constexpr size_t kSegmentHeaderFixedBytes = 128, kInterfaceFixedBytes = 8;

// Both headers say their size, checksum included, and may be longer than we know.
template <class Fields, class Header>
void layout_segment(Fields& f, Header& h, uint16_t& major, uint16_t& minor, uint32_t& size, uint16_t& interfaces) {
  f.magic(kSegmentMagic);
  f(major);
  f(minor);
  f(size);
  f(h.kind);
  f(h.retention);
  f(h.worker);
  f(h.ordinal_domain);
  f(h.sequence);
  f(h.uuid);
  f(h.run_uuid);
  f(h.run_started_ns);
  f(h.created_ns);
  f(h.previous_sequence);
  f(h.previous_root);
  f(h.literal_block_bytes);
  f(interfaces);
  f.reserved(2);
}

template <class Fields, class Interface>
void layout(Fields& f, Interface& interface, uint16_t& name_bytes) {
  f(interface.link_type);
  f(name_bytes);
  f(interface.snap_length);
}

template <class Fields, class Header>
void layout_frame(Fields& f, Header& h, uint32_t& size, uint16_t& sections) {
  f.magic(kFrameMagic);
  f(size);
  f(h.kind);
  f(sections);
  f(h.segment_id);
  f(h.number);
  f(h.packets);
  f(h.ordinal_min);
  f(h.ordinal_max);
  f(h.time_min_ns);
  f(h.time_max_ns);
  f(h.captured_bytes);
  f(h.literal_position);
  f(h.literal_bytes);
  f(h.payload_bytes);
  f(h.account_added);
  f(h.account_dropped);
  f(h.root);
}

template <class Fields, class S>
void layout_section(Fields& f, S& section) {
  f(section.type);
  f(section.codec);
  f(section.flags);
  f(section.stored_bytes);
  f(section.raw_bytes);
  f(section.repair);
  f(section.checksum);
}

// Whether the header of `size` bytes that `bytes` begins with has its checksum at its end.
bool checksum_right(std::span<const uint8_t> bytes, size_t size) {
  uint64_t stated;
  std::memcpy(&stated, bytes.data() + size - sizeof stated, sizeof stated);
  return checksum(bytes.first(size - sizeof stated)) == stated;
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
  FieldWriter fields(out);
  uint16_t major = kFormatMajor, minor = kFormatMinor, count = static_cast<uint16_t>(interfaces.size());
  uint32_t size = kSegmentHeaderFixedBytes + kChecksumBytes;
  for (const StoreInterface& interface : interfaces) {
    size += static_cast<uint32_t>(kInterfaceFixedBytes + interface.name.size());
  }
  GT_CHECK(size <= kHeaderBytesMax);
  layout_segment(fields, *this, major, minor, size, count);
  for (const StoreInterface& interface : interfaces) {
    auto name_bytes = static_cast<uint16_t>(interface.name.size());
    layout(fields, interface, name_bytes);
    out.bytes(interface.name.data(), name_bytes);
  }
  out.put(checksum(out.bytes()));
  GT_CHECK(out.size() == size);
  return {out.data(), out.data() + out.size()};
}

bool SegmentHeader::ends_inside(std::span<const uint8_t> bytes) {
  if (bytes.size() < kSegmentHeaderFixedBytes + kChecksumBytes) return true;
  ByteSource in(bytes);
  FieldReader fields(in);
  SegmentHeader header;
  uint16_t major, minor, interfaces;
  uint32_t size;
  layout_segment(fields, header, major, minor, size, interfaces);
  return fields.right() && size > bytes.size() && size <= kHeaderBytesMax;
}

Result<SegmentHeader> SegmentHeader::parse(std::span<const uint8_t> bytes, size_t& header_bytes) {
  if (bytes.size() < kSegmentHeaderFixedBytes + kChecksumBytes) return fail("not a segment");
  ByteSource in(bytes);
  FieldReader fields(in);
  SegmentHeader header;
  uint16_t major, minor, interfaces;
  uint32_t size;
  layout_segment(fields, header, major, minor, size, interfaces);
  if (!fields.right()) return fail("not a segment");
  if (major != kFormatMajor) return fail("format {}.{}: written by another version of Gatetape", major, minor);
  if (size < kSegmentHeaderFixedBytes + kChecksumBytes || size > kHeaderBytesMax || size > bytes.size() ||
      !checksum_right(bytes, size)) {
    return fail("damaged segment header");
  }
  in = ByteSource(bytes.first(size - kChecksumBytes).subspan(kSegmentHeaderFixedBytes));
  for (int i = 0; i < interfaces && in.ok(); i++) {
    StoreInterface interface;
    uint16_t name_bytes;
    layout(fields, interface, name_bytes);
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
  FieldWriter fields(sink);
  uint32_t size = header_bytes();
  auto count = static_cast<uint16_t>(sections.size());
  layout_frame(fields, *this, size, count);
  for (const Section& section : sections) layout_section(fields, section);
  sink.zeros(extra_bytes);
  sink.put(checksum(sink.bytes()));
  GT_CHECK(sink.size() == size);
  std::memcpy(out, sink.data(), sink.size());
}

FrameHeader::Parse FrameHeader::parse(std::span<const uint8_t> bytes, uint64_t segment_id, FrameHeader& header,
                                      size_t& header_bytes_needed) {
  header_bytes_needed = kFrameHeaderFixedBytes + kChecksumBytes;
  if (bytes.size() < header_bytes_needed) return Parse::kNeedMore;
  ByteSource in(bytes);
  FieldReader fields(in);
  uint32_t size;
  uint16_t sections;
  layout_frame(fields, header, size, sections);
  if (!fields.right() || header.segment_id != segment_id || size > kHeaderBytesMax ||
      size < frame_header_bytes(sections)) {
    return Parse::kDamaged;
  }
  header_bytes_needed = size;
  if (bytes.size() < size) return Parse::kNeedMore;
  if (!checksum_right(bytes, size)) return Parse::kDamaged;
  header.extra_bytes = size - static_cast<uint32_t>(frame_header_bytes(sections));
  header.sections.clear();
  const size_t bytes_max = header.kind == FrameKind::kIndex ? kIndexSectionBytesMax : kSectionBytesMax;
  for (int i = 0; i < sections; i++) {
    Section section;
    layout_section(fields, section);
    if (section.stored_bytes > bytes_max || section.raw_bytes > bytes_max) return Parse::kDamaged;
    header.sections.push_back(section);
  }
  if (header.literal_bytes > kSectionBytesMax || header.payload_bytes > kSectionBytesMax) return Parse::kDamaged;
  return Parse::kOk;
}

std::string segment_file_name(const SegmentHeader& header) {
  if (header.kind == SegmentKind::kRecords) return fmt::format("{:012}-records.gtr", header.sequence);
  return fmt::format("{:012}-w{:03}-{}.gtp", header.sequence, header.worker, to_string(header.retention));
}

std::string stream_name(const std::string& file_name) {
  return file_name.substr(file_name.find('-') + 1);
}

bool parse_segment_file_name(std::string_view name, uint64_t& sequence, SegmentKind& kind) {
  constexpr size_t kDigitsMin = 12, kDigitsMax = 18;
  const size_t digits = name.find('-');
  if (digits == name.npos || digits < kDigitsMin || digits > kDigitsMax) return false;
  if (digits > kDigitsMin && name[0] == '0') return false;
  if (name.ends_with(".gtp")) {
    kind = SegmentKind::kPackets;
  } else if (name.ends_with(".gtr")) {
    kind = SegmentKind::kRecords;
  } else {
    return false;
  }
  const auto [end, error] = std::from_chars(name.data(), name.data() + digits, sequence);
  return error == std::errc() && end == name.data() + digits;
}

}  // namespace gatetape
