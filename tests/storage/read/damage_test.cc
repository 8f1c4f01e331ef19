// A damaged store loses what the damage hit, says so, and never hands out a wrong byte.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "storage/format/bit_repair.h"
#include "storage/format/sealing.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

// Everything that is visited must be right; returns how many were visited.
size_t require_right(const std::string& directory, const std::vector<QueryPacket>& packets,
                     ReadStatistics& statistics) {
  const auto read = read_packets(directory, {}, statistics);
  for (const HeldPacket& p : read) {
    REQUIRE(p.ordinal < packets.size());
    REQUIRE(same(p.packet, packets[p.ordinal]));
  }
  return read.size();
}

std::vector<QueryPacket> small_traffic() {
  auto packets = repeating_traffic(20, 14);
  for (auto& p : packets) {
    p.flow_id = 4;  // one class
    p.bytes.resize(std::min<size_t>(p.bytes.size(), 500));
    p.wire_length = 1500;
  }
  return packets;
}

}  // namespace

TEST_CASE("any damaged byte is either harmless or counted", "[store][damage]") {
  TemporaryDirectory directory;
  const auto packets = small_traffic();
  write_store(small_store(directory.path("store")), packets, 5);
  const std::string path = segment_paths(directory.path("store")).at(0);
  const auto whole = read_file(path);
  const uint8_t flip = GENERATE(uint8_t{0x01}, uint8_t{0xff});
  for (size_t i = 0; i < whole.size(); i++) {
    auto damaged = whole;
    damaged[i] ^= flip;
    write_file(path, damaged);
    INFO("byte " << i << " of " << whole.size());
    ReadStatistics statistics;
    const size_t visited = require_right(directory.path("store"), packets, statistics);
    REQUIRE((visited == packets.size() || statistics.frames_damaged > 0));
    // A query goes through the posting tables as well.
    StoreQuery query;
    query.index.all_of = {{port_term(80)}};
    for (const HeldPacket& p : read_packets(directory.path("store"), query, statistics))
      REQUIRE(same(p.packet, packets.at(p.ordinal)));
  }
}

TEST_CASE("a flipped bit costs no packet, wherever it lies in a segment of packets", "[store][damage]") {
  TemporaryDirectory directory;
  const auto packets = small_traffic();
  write_store(small_store(directory.path("store")), packets, 5);
  const std::string path = segment_paths(directory.path("store")).at(0);
  const auto whole = read_file(path);
  const bool sealed = GENERATE(true, false);
  const size_t size = whole.size() - (sealed ? 0 : Trailer::kBytes);
  uint64_t repaired = 0;
  for (size_t bit = 0; bit < 8 * size; bit += 13) {
    std::vector<uint8_t> damaged(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    flip(damaged, bit);
    write_file(path, damaged);
    INFO("bit " << bit << " of " << 8 * size);
    ReadStatistics statistics;
    REQUIRE(require_right(directory.path("store"), packets, statistics) == packets.size());
    REQUIRE(statistics.bits_repaired == statistics.repaired.size());
    repaired += statistics.bits_repaired;
    REQUIRE(read_file(path) == damaged);  // the file is left as it is
  }
  CHECK(repaired > size / 3);  // more than half of the bits that are tried lie in frames
}

TEST_CASE("two flipped bits in one section are not put right", "[store][damage]") {
  TemporaryDirectory directory;
  const auto packets = small_traffic();
  write_store(small_store(directory.path("store")), packets, 20);  // one frame
  const std::string path = segment_paths(directory.path("store")).at(0);
  auto bytes = read_file(path);
  size_t at = 0;
  const SegmentHeader segment = *SegmentHeader::parse(bytes, at);
  FrameHeader header;
  size_t needed = 0;
  REQUIRE(FrameHeader::parse(std::span(bytes).subspan(at), segment_id(segment.uuid), header, needed) ==
          FrameHeader::Parse::kOk);
  for (const Section& section : header.sections) CHECK(section.repair != 0);
  flip(bytes, 8 * (at + header.header_bytes()));
  flip(bytes, 8 * (at + header.header_bytes()) + 5);
  write_file(path, bytes);
  ReadStatistics statistics;
  CHECK(require_right(directory.path("store"), packets, statistics) == 0);
  CHECK(statistics.bits_repaired == 0);
  CHECK(statistics.frames_damaged == 1);
}

TEST_CASE("a segment cut anywhere gives what lies before the cut", "[store][damage]") {
  TemporaryDirectory directory;
  const auto packets = small_traffic();
  write_store(small_store(directory.path("store")), packets, 5);
  const std::string path = segment_paths(directory.path("store")).at(0);
  const auto whole = read_file(path);
  size_t before = 0;
  for (size_t size = 0; size <= whole.size(); size++) {
    write_file(path, {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)});
    INFO("cut at " << size << " of " << whole.size());
    ReadStatistics statistics;
    const size_t visited = require_right(directory.path("store"), packets, statistics);
    REQUIRE(visited >= before);
    REQUIRE((visited == packets.size() || statistics.frames_damaged + statistics.torn_bytes > 0 || visited % 5 == 0));
    before = visited;
  }
  CHECK(before == packets.size());
}

TEST_CASE("the next writer puts a cut segment in order", "[store][damage]") {
  TemporaryDirectory directory;
  const auto packets = small_traffic();
  write_store(small_store(directory.path("store")), packets, 5);
  const std::string path = segment_paths(directory.path("store")).at(0);
  const auto whole = read_file(path);
  for (size_t size = 0; size < whole.size(); size += 97) {
    write_file(path, {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)});
    ReadStatistics cut, recovered;
    const size_t before = require_right(directory.path("store"), packets, cut);
    write_store(small_store(directory.path("store")), {});
    REQUIRE(require_right(directory.path("store"), packets, recovered) == before);
    CHECK(recovered.torn_bytes == 0);
  }
}

TEST_CASE("a file of another version is named and left alone", "[store][damage]") {
  TemporaryDirectory directory;
  write_store(small_store(directory.path("store")), small_traffic());
  const std::string path = segment_paths(directory.path("store")).at(0);
  auto bytes = read_file(path);
  bytes[8] = 2;
  write_file(path, bytes);
  ReadStatistics statistics;
  CHECK(read_packets(directory.path("store"), {}, statistics).empty());
  REQUIRE(statistics.damage.size() == 1);
  CHECK(statistics.damage[0].find("another version") != std::string::npos);
  write_store(small_store(directory.path("store")), small_traffic());
  CHECK(read_file(path) == bytes);
}
