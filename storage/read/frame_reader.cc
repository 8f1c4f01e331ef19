#include "storage/read/frame_reader.h"

#include <algorithm>
#include <numeric>

namespace gatetape {
namespace {

constexpr const char* kNewer = "written by a newer version";

bool known(SectionType type) {
  return type >= SectionType::kLanes && type <= SectionType::kPacketColumns;
}

}  // namespace

bool section_intact(const Section& section, std::span<const uint8_t> stored) {
  return stored.size() == section.stored_bytes && checksum(stored) == section.checksum;
}

size_t FrameReader::bytes_before_literals(const FrameHeader& header) {
  size_t bytes = 0;
  for (const Section& section : header.sections) {
    if (section.type == SectionType::kLiterals) break;
    bytes += section.stored_bytes;
  }
  return bytes;
}

bool FrameReader::section(const FrameHeader& header, std::span<const uint8_t> sections, SectionType type,
                          std::vector<uint8_t>& raw, std::span<const uint8_t>& out) {
  size_t at = 0;
  for (const Section& section : header.sections) {
    if (section.type != type) {
      at += section.stored_bytes;
      continue;
    }
    if (at + section.stored_bytes > sections.size()) return damaged("section cut short");
    const auto stored = sections.subspan(at, section.stored_bytes);
    if (!section_intact(section, stored)) return damaged("section checksum wrong");
    if (section.codec == Codec::kStored) {
      out = stored;
      return true;
    }
    raw.resize(section.raw_bytes);
    if (section.codec != Codec::kZstd || !decompressor_.decompress(stored, raw))
      return damaged("section does not decompress");
    out = raw;
    return true;
  }
  return damaged("section missing");
}

bool FrameReader::read_lanes(const FrameHeader& header, std::span<const uint8_t> sections) {
  for (const Section& section : header.sections) {
    if ((section.flags & kSectionRequired) != 0 && !known(section.type)) return damaged(kNewer);
  }
  std::span<const uint8_t> bytes;
  if (!section(header, sections, SectionType::kLanes, raw_, bytes)) return false;
  return decode_lanes(bytes, header.packets, lanes_, reverse_of_) || damaged("lanes malformed");
}

bool FrameReader::read_packets(const FrameHeader& header, std::span<const uint8_t> sections) {
  const bool is_1_0 = std::any_of(header.sections.begin(), header.sections.end(),
                                  [](const Section& s) { return s.type == SectionType::kPacketColumns10; });
  const SectionType type = is_1_0 ? SectionType::kPacketColumns10 : SectionType::kPacketColumns;
  std::span<const uint8_t> bytes;
  if (!section(header, sections, type, raw_, bytes)) return false;
  switch (columns_reader_.decode(type, bytes, header, lanes_, reverse_of_, decompressor_, rows_, buffer_)) {
    case PacketColumnsReader::Outcome::kOk:
      return true;
    case PacketColumnsReader::Outcome::kDamaged:
      return damaged("packet columns malformed");
    case PacketColumnsReader::Outcome::kNewerVersion:
      break;
  }
  return damaged(kNewer);
}

bool FrameReader::gather_destinations(const FrameHeader& header, const std::vector<bool>& wanted) {
  next_in_lane_.assign(lanes_.size() + 1, 0);
  for (const PacketRow& row : rows_) next_in_lane_[row.lane + 1]++;
  std::partial_sum(next_in_lane_.begin(), next_in_lane_.end(), next_in_lane_.begin());
  by_lane_.resize(rows_.size());
  for (uint32_t i = 0; i < rows_.size(); i++) by_lane_[next_in_lane_[rows_[i].lane]++] = i;
  destinations_.clear();
  destination_ = destination_used_ = 0;
  uint64_t total = 0;
  for (const uint32_t i : by_lane_) {
    const PacketRow& row = rows_[i];
    total += row.payload_length();
    if (row.payload_length() == 0) continue;
    destinations_.push_back({buffer_.data() + row.offset + row.layout.length, row.payload_length(), wanted[row.lane]});
  }
  return total == header.payload_bytes;
}

// Copies the next `bytes` of the payload stream, which lie at `position`, to where they belong. Neighbouring unwanted
// payloads cost nothing; wanted ones are read one by one from a source that keeps its last block.
bool FrameReader::copy_literals(uint64_t position, uint64_t bytes, LiteralSource& literals) {
  while (bytes != 0) {
    if (destination_ == destinations_.size()) return false;
    const Destination& destination = destinations_[destination_];
    const auto n = static_cast<uint32_t>(std::min<uint64_t>(bytes, destination.bytes - destination_used_));
    if (destination.wanted && !literals.read(position, {destination.to + destination_used_, n})) return false;
    position += n;
    bytes -= n;
    destination_used_ += n;
    if (destination_used_ == destination.bytes) {
      destination_++;
      destination_used_ = 0;
    }
  }
  return true;
}

bool FrameReader::read_payload(const FrameHeader& header, std::span<const uint8_t> sections,
                               const std::vector<bool>& wanted, LiteralSource& literals) {
  std::span<const uint8_t> bytes;
  if (!section(header, sections, SectionType::kPayloadOperations, raw_, bytes)) return false;
  if (!gather_destinations(header, wanted)) return damaged("payload lengths contradict the header");
  ByteSource in(bytes);
  uint64_t done = 0, literal = header.literal_position, expected = 0;
  while (done < header.payload_bytes) {
    const uint64_t run = in.varint();
    if (!in.ok() || run > header.payload_bytes - done) return damaged("payload operations malformed");
    if (!copy_literals(literal, run, literals)) return damaged("literals missing or damaged");
    literal += run;
    done += run;
    if (done == header.payload_bytes) break;
    const uint64_t length = in.varint();
    const uint64_t position = expected + static_cast<uint64_t>(in.signed_varint());
    if (!in.ok() || length == 0 || length > header.payload_bytes - done) return damaged("payload operations malformed");
    if (!copy_literals(position, length, literals)) return damaged("a referenced payload is missing or damaged");
    expected = position + length;
    done += length;
  }
  if (!in.at_end() || literal - header.literal_position != header.literal_bytes)
    return damaged("payload operations malformed");
  for (const PacketRow& row : rows_) {
    if (row.transport_checksum && wanted[row.lane])
      finish_transport_checksum(buffer_.data() + row.offset, row.captured_length, row.layout);
  }
  return true;
}

}  // namespace gatetape
