// Stores of other minor versions: what 1.0 wrote is read, and what a newer one may add is skipped or refused.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>

#include "storage/format/format.h"
#include "storage/format/sealing.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

using Bytes = std::vector<uint8_t>;

void put_checksum(Bytes& header) {
  const uint64_t sum = checksum(std::span(header).first(header.size() - kChecksumBytes));
  std::memcpy(header.data() + header.size() - kChecksumBytes, &sum, sizeof sum);
}

// A header with `extra` bytes before its checksum; its size is stated at `size_at`.
Bytes lengthened(std::span<const uint8_t> header, size_t size_at, size_t extra) {
  Bytes out(header.begin(), header.end());
  out.insert(out.end() - kChecksumBytes, extra, 0xee);
  const auto size = static_cast<uint32_t>(out.size());
  std::memcpy(out.data() + size_at, &size, sizeof size);
  put_checksum(out);
  return out;
}

// The section bytes of a frame, by section.
using Sections = std::vector<Bytes>;

// Rewrites a segment without its index, frame by frame: `change` may change header and sections; the header then says
// what the sections are.
Bytes rewritten(const Bytes& segment, size_t extra, const std::function<void(FrameHeader&, Sections&)>& change) {
  size_t header_bytes = 0;
  const auto header = SegmentHeader::parse(segment, header_bytes);
  REQUIRE(header);
  Bytes out = lengthened(std::span(segment).first(header_bytes), 12, extra);
  for (size_t at = header_bytes; at < segment.size();) {
    FrameHeader frame;
    size_t needed = 0;
    const auto rest = std::span(segment).subspan(at);
    REQUIRE(FrameHeader::parse(rest, segment_id(header->uuid), frame, needed) == FrameHeader::Parse::kOk);
    if (frame.kind == FrameKind::kIndex) break;
    Sections sections;
    size_t section_at = frame.header_bytes();
    for (const Section& section : frame.sections) {
      const auto bytes = rest.subspan(section_at, section.stored_bytes);
      sections.emplace_back(bytes.begin(), bytes.end());
      section_at += section.stored_bytes;
    }
    at += section_at;
    change(frame, sections);
    for (size_t i = 0; i < sections.size(); i++) {
      frame.sections[i].stored_bytes = static_cast<uint32_t>(sections[i].size());
      if (frame.sections[i].codec == Codec::kStored) frame.sections[i].raw_bytes = frame.sections[i].stored_bytes;
      frame.sections[i].checksum = checksum(sections[i]);
    }
    Bytes bytes(frame.header_bytes());
    frame.serialise(bytes.data());
    bytes = lengthened(bytes, 8, extra);
    out.insert(out.end(), bytes.begin(), bytes.end());
    for (const Bytes& section : sections) out.insert(out.end(), section.begin(), section.end());
  }
  return out;
}

void rewrite_store(const std::string& directory, size_t extra,
                   const std::function<void(FrameHeader&, Sections&)>& change) {
  for (const auto& path : segment_paths(directory)) write_file(path, rewritten(read_file(path), extra, change));
}

void require_packets(const std::string& directory, const std::vector<QueryPacket>& packets) {
  const auto read = read_packets(directory);
  REQUIRE(read.size() == packets.size());
  for (size_t i = 0; i < read.size(); i++) REQUIRE(same(read[i].packet, packets[i]));
}

// Appends a stream of one raw byte to the packet columns.
std::function<void(FrameHeader&, Sections&)> add_stream(uint64_t id, bool required) {
  return [=](FrameHeader& header, Sections& sections) {
    for (size_t i = 0; i < sections.size(); i++) {
      if (header.sections[i].type != SectionType::kPacketColumns) continue;
      ByteSink stream;
      stream.varint(id << 1 | uint64_t{required});
      stream.varint(1);
      stream.varint(0);
      stream.put(uint8_t{7});
      sections[i].insert(sections[i].end(), stream.data(), stream.data() + stream.size());
    }
  };
}

void leave(FrameHeader&, Sections&) {}

}  // namespace

TEST_CASE("headers that a newer version made longer are walked, read, and sealed", "[store][versions]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  const auto packets = store_traffic(80, 300);
  write_store(small_store(store), packets, 50);
  rewrite_store(store, 24, leave);
  require_packets(store, packets);
  write_store(small_store(store), {});  // seals what it finds
  for (const auto& path : segment_paths(store)) {
    const Bytes bytes = read_file(path);
    Trailer trailer;
    CHECK(Trailer::parse(std::span(bytes).last(Trailer::kBytes), trailer));
  }
  require_packets(store, packets);
}

TEST_CASE("a column that is not required is skipped by who does not know it", "[store][versions]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  const auto packets = store_traffic(81, 300);
  write_store(small_store(store), packets, 50);
  rewrite_store(store, 0, add_stream(99, false));
  require_packets(store, packets);
}

TEST_CASE("a frame with a required column or section of a newer version is named, not guessed", "[store][versions]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  write_store(small_store(store), store_traffic(82, 300), 50);
  const bool column = GENERATE(true, false);
  rewrite_store(store, 0, [&](FrameHeader& header, Sections& sections) {
    if (column) return add_stream(99, true)(header, sections);
    Section section;
    section.type = static_cast<SectionType>(200);
    section.flags = kSectionRequired;
    header.sections.push_back(section);
    sections.push_back({1, 2, 3});
  });
  ReadStatistics statistics;
  CHECK(read_packets(store, {}, statistics).empty());
  CHECK(statistics.frames_damaged > 0);
  for (const auto& damage : statistics.damage) CHECK(damage.find("newer version") != std::string::npos);
}

TEST_CASE("a stream given twice is damage", "[store][versions]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  write_store(small_store(store), store_traffic(83, 100), 50);
  rewrite_store(store, 0, add_stream(0, true));
  ReadStatistics statistics;
  CHECK(read_packets(store, {}, statistics).empty());
  REQUIRE(!statistics.damage.empty());
  CHECK(statistics.damage.front().find("malformed") != std::string::npos);
}

TEST_CASE("rows of the frame table that a newer version made longer are read", "[store][versions]") {
  ByteSink table;
  constexpr uint32_t kRows = 3;
  for (uint32_t i = 0; i < kRows; i++) {
    FrameEntry entry;
    entry.offset = 100 + i;
    entry.packets = i;
    entry.serialise(table);
    table.zeros(16);
  }
  std::vector<FrameEntry> entries;
  REQUIRE(parse_frame_table(table.bytes(), kRows, entries));
  REQUIRE(entries.size() == kRows);
  for (uint32_t i = 0; i < kRows; i++) {
    CHECK(entries[i].offset == 100 + i);
    CHECK(entries[i].packets == i);
  }
  entries.clear();
  CHECK(!parse_frame_table(table.bytes().first(table.size() - 1), kRows, entries));
  CHECK(!parse_frame_table(table.bytes(), 4, entries));  // rows of 108 bytes
  CHECK(!parse_frame_table(table.bytes(), 0, entries));
  CHECK(parse_frame_table({}, 0, entries));
}

TEST_CASE("a store that 1.0 wrote is read, and the next run goes on in it", "[store][versions]") {
  const std::string source = STORE_1_0;  // see its README
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  std::filesystem::copy(source, store, std::filesystem::copy_options::recursive);
  auto packets = read_capture(source + "/packets.pcap");
  REQUIRE(packets.size() > 50);
  const auto check = [&](size_t runs) {
    const auto read = read_packets(store);
    REQUIRE(read.size() == runs * packets.size());
    for (size_t i = 0; i < packets.size(); i++) {
      REQUIRE(read[i].packet.bytes == packets[i].bytes);
      REQUIRE(read[i].packet.timestamp_ns == packets[i].timestamp_ns);
      REQUIRE(read[i].packet.wire_length == packets[i].wire_length);
    }
  };
  check(1);
  write_store(small_store(store), packets);
  check(2);
}
