#include "storage/format/packet_columns.h"

#include <algorithm>
#include <numeric>

namespace gatetape {
namespace {

// A clock of microseconds read as nanoseconds: three digits that are always zero.
constexpr int64_t kTimeUnits[] = {1'000'000'000, 1'000'000, 1'000};

int64_t common_unit(std::span<const PacketRow> rows, int64_t from) {
  for (const int64_t unit : kTimeUnits) {
    int64_t previous = from;
    const bool divides = std::all_of(rows.begin(), rows.end(), [&](const PacketRow& row) {
      const bool ok = (row.timestamp_ns - previous) % unit == 0;
      previous = row.timestamp_ns;
      return ok;
    });
    if (divides) return unit;
  }
  return 1;
}

}  // namespace

void PacketColumnsWriter::encode_order(const FrameHeader& header, std::span<const PacketRow> rows, size_t lanes) {
  lane_.clear();
  ordinal_.clear();
  time_.clear();
  const int64_t unit = common_unit(rows, header.time_min_ns);
  time_.varint(static_cast<uint64_t>(unit));
  uint64_t ordinal = header.ordinal_min - 1;
  int64_t time = header.time_min_ns;
  for (const PacketRow& row : rows) {
    lanes > 256 ? lane_.put(row.lane) : lane_.put(static_cast<uint8_t>(row.lane));
    ordinal_.signed_varint(static_cast<int64_t>(row.ordinal - ordinal - 1));
    time_.signed_varint((row.timestamp_ns - time) / unit);
    ordinal = row.ordinal;
    time = row.timestamp_ns;
  }
}

void PacketColumnsWriter::encode_lengths(std::span<const PacketRow> rows, size_t lanes) {
  captured_.clear();
  missing_.clear();
  last_captured_.assign(lanes, 0xffffffff);
  const bool missing = std::any_of(rows.begin(), rows.end(),
                                   [](const PacketRow& row) { return row.wire_length != row.captured_length; });
  for (const PacketRow& row : rows) {
    uint32_t& last = last_captured_[row.lane];
    captured_.varint(row.captured_length == last ? 0 : uint64_t{row.captured_length} + 1);
    last = row.captured_length;
    if (missing) missing_.varint(row.wire_length - row.captured_length);
  }
}

void PacketColumnsWriter::encode(const FrameHeader& header, std::span<const PacketRow> rows, const uint8_t* buffer,
                                 std::span<const Lane> lanes, std::span<const uint16_t> reverse_of,
                                 Compressor& compressor, ByteSink& out) {
  encode_order(header, rows, lanes.size());
  encode_lengths(rows, lanes.size());
  heads_.clear();
  head_encoder_.begin(lanes, reverse_of);
  for (const PacketRow& row : rows) {
    head_encoder_.encode({buffer + row.offset, row.captured_length, row.layout, row.lane}, heads_);
  }
  const ByteSink* const order[] = {&lane_, &ordinal_, &time_, &captured_, &missing_, &heads_.deviations};
  for (uint64_t id = 0; id < std::size(order); id++) append_stream(id, true, *order[id], compressor, out);
  for (uint64_t field = 0; field < heads_.fields.size(); field++)
    append_stream(kHeadFieldColumn + field, true, heads_.fields[field], compressor, out);
}

// An empty stream is left out.
void PacketColumnsWriter::append_stream(uint64_t id, bool required, const ByteSink& stream, Compressor& compressor,
                                        ByteSink& out) {
  if (stream.empty()) return;
  scratch_.clear();
  const bool compressed = compressor.compress(stream.bytes(), scratch_);
  out.varint(id << 1 | uint64_t{required});
  out.varint(stream.size());
  out.varint(compressed ? scratch_.size() : 0);
  out.bytes(compressed ? scratch_.bytes() : stream.bytes());
}

// In 1.0 a stream had no id but its position, all of them were there, and all were required.
PacketColumnsReader::Outcome PacketColumnsReader::find_streams(SectionType type, std::span<const uint8_t> section) {
  const bool by_position = type == SectionType::kPacketColumns10;
  places_.fill({});
  ByteSource in(section);
  uint64_t position = 0;
  for (; !in.at_end(); position++) {
    const uint64_t tag = by_position ? position << 1 | 1 : in.varint();
    const uint64_t raw = in.varint(), stored = in.varint();
    const bool compressed = stored != 0;
    if (!in.ok() || raw > kSectionBytesMax) return Outcome::kDamaged;
    const auto bytes = in.view(compressed ? stored : raw);
    if (!in.ok()) return Outcome::kDamaged;
    const uint64_t id = tag >> 1;
    if (id < kColumnCount) {
      Place& place = places_[id];
      if (place.present) return Outcome::kDamaged;
      place = {bytes, raw, true, compressed};
    } else if ((tag & 1) != 0) {
      return by_position ? Outcome::kDamaged : Outcome::kNewerVersion;
    }
  }
  return !in.ok() || (by_position && position != kColumnCount) ? Outcome::kDamaged : Outcome::kOk;
}

bool PacketColumnsReader::decompress_streams(Decompressor& decompressor) {
  size_t total = 0;
  for (const Place& place : places_) total += place.compressed ? place.raw_bytes : 0;
  if (total > kSectionBytesMax) return false;
  scratch_.resize(total);
  size_t used = 0;
  for (size_t i = 0; i < places_.size(); i++) {
    streams_[i] = places_[i].stored;
    if (!places_[i].compressed) continue;
    const std::span<uint8_t> raw(scratch_.data() + used, places_[i].raw_bytes);
    if (!decompressor.decompress(places_[i].stored, raw)) return false;
    streams_[i] = raw;
    used += raw.size();
  }
  return true;
}

bool PacketColumnsReader::decode_order(const FrameHeader& header, size_t lanes, std::vector<PacketRow>& rows) {
  ByteSource lane(streams_[kLaneColumn]), ordinal_in(streams_[kOrdinalColumn]), time_in(streams_[kTimeColumn]);
  const uint64_t unit = time_in.varint();
  uint64_t ordinal = header.ordinal_min - 1;
  auto time = static_cast<uint64_t>(header.time_min_ns);  // unsigned: damaged differences may wrap
  for (PacketRow& row : rows) {
    row.lane = lanes > 256 ? lane.get<uint16_t>() : lane.get<uint8_t>();
    ordinal += static_cast<uint64_t>(ordinal_in.signed_varint()) + 1;
    time += static_cast<uint64_t>(time_in.signed_varint()) * unit;
    row.ordinal = ordinal;
    row.timestamp_ns = static_cast<int64_t>(time);
    if (row.lane >= lanes) return false;
  }
  return lane.ok() && ordinal_in.ok() && time_in.ok();
}

bool PacketColumnsReader::decode_lengths(const FrameHeader& header, size_t lanes, std::vector<PacketRow>& rows) {
  ByteSource captured(streams_[kCapturedColumn]), missing(streams_[kMissingColumn]);
  const bool has_missing = !streams_[kMissingColumn].empty();
  last_captured_.assign(lanes, 0xffffffff);
  uint64_t offset = 0;
  for (PacketRow& row : rows) {
    uint32_t& last = last_captured_[row.lane];
    const uint64_t code = captured.varint();
    const uint64_t length = code == 0 ? last : code - 1;
    if (length > kStoredPacketBytesMax) return false;
    last = static_cast<uint32_t>(length);
    row.captured_length = last;
    row.wire_length = last + (has_missing ? static_cast<uint32_t>(missing.varint()) : 0);
    row.offset = static_cast<uint32_t>(offset);
    offset += length;
    if (offset > header.captured_bytes) return false;
  }
  return captured.ok() && missing.ok() && offset == header.captured_bytes;
}

PacketColumnsReader::Outcome PacketColumnsReader::decode(SectionType type, std::span<const uint8_t> section,
                                                         const FrameHeader& header, std::span<const Lane> lanes,
                                                         std::span<const uint16_t> reverse_of,
                                                         Decompressor& decompressor, std::vector<PacketRow>& rows,
                                                         std::vector<uint8_t>& buffer) {
  if (header.packets >= 65536 || header.captured_bytes > kSectionBytesMax) return Outcome::kDamaged;
  if (const Outcome found = find_streams(type, section); found != Outcome::kOk) return found;
  if (!decompress_streams(decompressor)) return Outcome::kDamaged;
  rows.assign(header.packets, PacketRow{});
  if (!decode_order(header, lanes.size(), rows) || !decode_lengths(header, lanes.size(), rows)) {
    return Outcome::kDamaged;
  }
  buffer.resize(header.captured_bytes);
  head_decoder_.begin(lanes, reverse_of, streams_[kDeviationsColumn], std::span(streams_).subspan(kHeadFieldColumn));
  const bool whole = std::all_of(rows.begin(), rows.end(), [&](PacketRow& row) {
    return head_decoder_.decode(row.lane, buffer.data() + row.offset, row.captured_length, row.layout,
                                row.transport_checksum);
  });
  return whole ? Outcome::kOk : Outcome::kDamaged;
}

}  // namespace gatetape
