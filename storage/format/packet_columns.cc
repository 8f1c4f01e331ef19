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

void append_stream(ByteSink& stream, Compressor& compressor, ByteSink& scratch, ByteSink& out) {
  scratch.clear();
  const bool compressed = compressor.compress(stream.bytes(), scratch);
  out.varint(stream.size());
  out.varint(compressed ? scratch.size() : 0);
  out.bytes(compressed ? scratch.bytes() : stream.bytes());
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
  thread_local ByteSink scratch;
  for (ByteSink* stream : {&lane_, &ordinal_, &time_, &captured_, &missing_, &heads_.deviations}) {
    append_stream(*stream, compressor, scratch, out);
  }
  for (ByteSink& field : heads_.fields) append_stream(field, compressor, scratch, out);
}

bool PacketColumnsReader::read_streams(std::span<const uint8_t> section, Decompressor& decompressor) {
  struct Place {
    std::span<const uint8_t> stored;
    size_t raw;
    bool compressed;
  };
  std::array<Place, kStreams> places;
  ByteSource in(section);
  size_t total = 0;
  for (Place& place : places) {
    place.raw = in.varint();
    const uint64_t stored = in.varint();
    place.compressed = stored != 0;
    if (!in.ok() || place.raw > kSectionBytesMax) return false;
    place.stored = in.view(place.compressed ? stored : place.raw);
    if (place.compressed) total += place.raw;
  }
  if (!in.ok() || !in.at_end() || total > kSectionBytesMax) return false;
  scratch_.resize(total);
  size_t used = 0;
  for (size_t i = 0; i < places.size(); i++) {
    streams_[i] = places[i].stored;
    if (!places[i].compressed) continue;
    const std::span<uint8_t> raw(scratch_.data() + used, places[i].raw);
    if (!decompressor.decompress(places[i].stored, raw)) return false;
    streams_[i] = raw;
    used += raw.size();
  }
  return true;
}

bool PacketColumnsReader::decode_order(const FrameHeader& header, size_t lanes, std::vector<PacketRow>& rows) {
  ByteSource lane(streams_[0]), ordinal_in(streams_[1]), time_in(streams_[2]);
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
  ByteSource captured(streams_[3]), missing(streams_[4]);
  const bool has_missing = !streams_[4].empty();
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

bool PacketColumnsReader::decode(std::span<const uint8_t> section, const FrameHeader& header,
                                 std::span<const Lane> lanes, std::span<const uint16_t> reverse_of,
                                 Decompressor& decompressor, std::vector<PacketRow>& rows,
                                 std::vector<uint8_t>& buffer) {
  if (header.packets >= 65536 || header.captured_bytes > kSectionBytesMax || !read_streams(section, decompressor))
    return false;
  rows.assign(header.packets, PacketRow{});
  if (!decode_order(header, lanes.size(), rows) || !decode_lengths(header, lanes.size(), rows)) return false;
  buffer.resize(header.captured_bytes);
  head_decoder_.begin(lanes, reverse_of, streams_[5], std::span(streams_).subspan(6));
  return std::all_of(rows.begin(), rows.end(), [&](PacketRow& row) {
    return head_decoder_.decode(row.lane, buffer.data() + row.offset, row.captured_length, row.layout,
                                row.transport_checksum);
  });
}

}  // namespace gatetape
