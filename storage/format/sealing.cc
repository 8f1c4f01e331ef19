#include "storage/format/sealing.h"

#include <cstring>

#include "common/check.h"
#include "storage/format/layout.h"

namespace gatetape {
namespace {

constexpr char kTrailerMagic[9] = "GTSEALED";

template <class Fields, class T>
void layout_trailer(Fields& f, T& trailer) {
  f.magic(kTrailerMagic);
  f(trailer.index_offset);
  f(trailer.file_bytes);
}

template <class Fields, class Entry>
void layout_frame_entry(Fields& f, Entry& entry) {
  f(entry.offset);
  f(entry.header_bytes);
  f(entry.packets);
  f(entry.time_min_ns);
  f(entry.time_max_ns);
  f(entry.ordinal_min);
  f(entry.ordinal_max);
  f(entry.literal_position);
  f(entry.literal_bytes);
  f(entry.stored_bytes);
  f(entry.captured_bytes);
  f.reserved(FrameEntry::kReservedBytes);
  f(entry.root);
}

template <class Fields, class Summary>
void layout_summary(Fields& f, Summary& summary) {
  f(summary.root);
  f(summary.packets);
  f(summary.captured_bytes);
  f(summary.account_added);
  f(summary.account_dropped);
  f(summary.time_min_ns);
  f(summary.time_max_ns);
  f(summary.torn_bytes);
}

}  // namespace

std::array<uint8_t, Trailer::kBytes> Trailer::serialise() const {
  ByteSink out;
  FieldWriter fields(out);
  layout_trailer(fields, *this);
  out.put(checksum(out.bytes()));
  std::array<uint8_t, kBytes> bytes;
  GT_CHECK(out.size() == bytes.size());
  std::memcpy(bytes.data(), out.data(), bytes.size());
  return bytes;
}

bool Trailer::parse(std::span<const uint8_t> bytes, Trailer& trailer) {
  if (bytes.size() != kBytes) return false;
  ByteSource in(bytes);
  FieldReader fields(in);
  layout_trailer(fields, trailer);
  const auto stated = in.get<uint64_t>();
  return fields.right() && stated == checksum(bytes.first(kBytes - kChecksumBytes));
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
  FieldWriter fields(out);
  layout_frame_entry(fields, *this);
}

FrameEntry FrameEntry::parse(ByteSource& in) {
  FrameEntry entry;
  FieldReader fields(in);
  layout_frame_entry(fields, entry);
  return entry;
}

bool parse_frame_table(std::span<const uint8_t> table, uint32_t frames, std::vector<FrameEntry>& entries) {
  if (frames == 0) return table.empty();
  const size_t row_bytes = table.size() / frames;
  if (row_bytes < FrameEntry::kBytes || row_bytes * frames != table.size()) return false;
  entries.reserve(entries.size() + frames);
  for (size_t at = 0; at < table.size(); at += row_bytes) {
    ByteSource row(table.subspan(at, row_bytes));
    entries.push_back(FrameEntry::parse(row));
  }
  return true;
}

void SegmentSummary::serialise(ByteSink& out) const {
  FieldWriter fields(out);
  layout_summary(fields, *this);
}

SegmentSummary SegmentSummary::parse(ByteSource& in) {
  SegmentSummary summary;
  FieldReader fields(in);
  layout_summary(fields, summary);
  return summary;
}

}  // namespace gatetape
