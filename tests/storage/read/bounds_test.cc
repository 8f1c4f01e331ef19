// Forged indexes and frames cost a reader no more than their own size warrants.
#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "storage/format/posting_table.h"
#include "storage/read/frame_finder.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

constexpr uint32_t kFrames = 1000;

bool open(PostingTable& table, std::span<const uint8_t> bytes, size_t key_bytes) {
  const auto read = [bytes](uint64_t offset, std::span<uint8_t> out) {
    if (offset > bytes.size() || out.size() > bytes.size() - offset) return false;
    if (!out.empty()) std::memcpy(out.data(), bytes.data() + offset, out.size());
    return true;
  };
  return table.open(read, {bytes.size(), kFrames, bytes.size()}, key_bytes);
}

struct Fence {
  uint8_t key;
  uint32_t offset;
  uint32_t raw_bytes;
};

// A table with one-byte keys whose fences all lead into one block; all checksums are right.
std::vector<uint8_t> forged(const std::vector<Fence>& fences, const std::vector<uint8_t>& raw) {
  ByteSink block, fence_bytes, out;
  const bool compressed = Compressor(1).compress(raw, block);
  if (!compressed) block.bytes(raw);
  for (const Fence& fence : fences) {
    const auto stored = block.bytes().subspan(fence.offset);
    fence_bytes.put(fence.key);
    fence_bytes.put(fence.offset);
    fence_bytes.put(static_cast<uint32_t>(stored.size()) | (compressed ? 1u << 31 : 0));
    fence_bytes.put(fence.raw_bytes);
    fence_bytes.put(checksum(stored));
  }
  out.put(uint32_t{1});
  out.put(uint32_t{1'000'000'000});
  out.put(static_cast<uint32_t>(fences.size()));
  out.put(checksum(fence_bytes.bytes()));
  out.bytes(fence_bytes.bytes());
  out.bytes(block.bytes());
  return {out.data(), out.data() + out.size()};
}

bool finds(const std::vector<uint8_t>& bytes, Postings& frames) {
  PostingTable table;
  const uint8_t first = 0, last = 255;
  return open(table, bytes, 1) && table.find({&first, 1}, {&last, 1}, frames);
}

}  // namespace

TEST_CASE("a posting table gives back what was put into it", "[store][bounds]") {
  std::mt19937 random(1);
  PostingTableBuilder builder(2);
  std::map<uint16_t, std::set<uint32_t>> expected;
  for (int i = 0; i < 20000; i++) {
    const auto key = static_cast<uint16_t>(i % 3 == 0 ? 80 : random() % 5000);
    const auto frame = static_cast<uint32_t>(random() % kFrames);
    expected[key].insert(frame);
    const uint8_t bytes[2] = {static_cast<uint8_t>(key >> 8), static_cast<uint8_t>(key)};
    builder.add(bytes, frame);
  }
  Compressor compressor(1);
  ByteSink out;
  builder.serialise(compressor, out);
  PostingTable table;
  REQUIRE(open(table, out.bytes(), 2));
  for (int i = 0; i < 500; i++) {
    const auto first = static_cast<uint16_t>(i == 0 ? 0 : random() % 5000);
    const auto last = static_cast<uint16_t>(i == 0 ? 65535 : first + (i % 2) * (random() % 300));
    std::set<uint32_t> wanted;
    for (auto at = expected.lower_bound(first); at != expected.end() && at->first <= last; ++at)
      wanted.insert(at->second.begin(), at->second.end());
    const uint8_t a[2] = {static_cast<uint8_t>(first >> 8), static_cast<uint8_t>(first)};
    const uint8_t b[2] = {static_cast<uint8_t>(last >> 8), static_cast<uint8_t>(last)};
    Postings frames;
    REQUIRE(table.find(a, b, frames));
    REQUIRE(frames == Postings(wanted.begin(), wanted.end()));
  }
}

TEST_CASE("forged posting tables are refused before they cost anything", "[store][bounds]") {
  Postings frames;
  const std::vector<uint8_t> right = {5, 2, 7, 1};  // key 5, two frames: 7 and 8
  REQUIRE(finds(forged({{5, 0, 4}}, right), frames));
  CHECK(frames == Postings{7, 8});
  CHECK(!finds(forged({{5, 0, 4}, {6, 0, 4}}, right), frames));    // a block that is named twice
  CHECK(!finds(forged({{5, 0, 4}, {6, 2, 2}}, right), frames));    // blocks that overlap
  CHECK(!finds(forged({{4, 0, 4}}, right), frames));               // the fence has another key than the block
  CHECK(!finds(forged({{5, 0, 9}}, right), frames));               // another size than stated
  CHECK(!finds(forged({{5, 0, 4}}, {5, 2, 7, 0}), frames));        // the same frame twice
  CHECK(!finds(forged({{5, 0, 6}}, {5, 1, 7, 4, 1, 7}), frames));  // keys that fall
  CHECK(!finds(forged({{5, 0, 4}}, {5, 1, 0xe8, 7}), frames));     // frame 1000 of 1000
  // A block that unpacks to 64 MB: no block of a segment with so few frames is as large.
  std::vector<uint8_t> bomb(64 << 20);
  bomb[0] = 5;
  CHECK(!finds(forged({{5, 0, static_cast<uint32_t>(bomb.size())}}, bomb), frames));
}

TEST_CASE("blocks together hold no more than the segment warrants", "[store][bounds]") {
  ByteSink fences, out;
  constexpr uint32_t kBlocks = 256, kRawBytes = 20000;  // 5 MB of a table of 5 KB
  for (uint32_t i = 0; i < kBlocks; i++) {
    fences.put(static_cast<uint8_t>(i));
    fences.put(uint32_t{0});
    fences.put(uint32_t{1} << 31);
    fences.put(kRawBytes);
    fences.put(checksum({}));
  }
  out.put(uint32_t{1});
  out.put(uint32_t{kBlocks});
  out.put(kBlocks);
  out.put(checksum(fences.bytes()));
  out.bytes(fences.bytes());
  PostingTable table;
  CHECK(!open(table, out.bytes(), 1));
}

TEST_CASE("a query on a forged index reads without it", "[store][bounds]") {
  TemporaryDirectory directory;
  const auto packets = repeating_traffic(6, 300);
  write_store(small_store(directory.path("store")), packets, 50);
  const std::string path = segment_paths(directory.path("store")).at(0);
  auto bytes = read_file(path);
  // The table of ports claims a thousand million entries and fences.
  uint64_t index = 0;
  std::memcpy(&index, bytes.data() + bytes.size() - 24, sizeof index);
  FrameHeader header;
  size_t needed = 0;
  SegmentHeader segment = *SegmentHeader::parse(bytes, needed);
  REQUIRE(FrameHeader::parse(std::span(bytes).subspan(index), segment_id(segment.uuid), header, needed) ==
          FrameHeader::Parse::kOk);
  uint64_t at = index + header.header_bytes();
  for (const Section& section : header.sections) {
    if (section.type == SectionType::kPorts) {
      const uint32_t claim[2] = {1'000'000'000, 1'000'000'000};
      std::memcpy(bytes.data() + at + 4, claim, sizeof claim);
    }
    at += section.stored_bytes;
  }
  write_file(path, bytes);
  StoreQuery query;
  query.index.all_of = {{port_term(80)}};
  ReadStatistics with, without;
  CHECK(read_packets(directory.path("store"), {}, without).size() >=
        read_packets(directory.path("store"), query, with).size());
  REQUIRE(with.damage.size() == 1);
  CHECK(with.damage[0].find("reading without it") != std::string::npos);
}

TEST_CASE("false beginnings of frames are looked at once and briefly", "[store][bounds]") {
  constexpr uint64_t kSegment = 42;
  std::vector<uint8_t> bytes(3 << 20);
  // Headers of the right segment that claim to be as large as any may be: their checksum alone can refuse them.
  for (size_t at = 0; at + 24 <= bytes.size(); at += 24) {
    const uint32_t size = kHeaderBytesMax;
    const uint16_t kind_and_sections[2] = {1, 2};
    std::memcpy(bytes.data() + at, kFrameMagic, 8);
    std::memcpy(bytes.data() + at + 8, &size, sizeof size);
    std::memcpy(bytes.data() + at + 12, kind_and_sections, sizeof kind_and_sections);
    std::memcpy(bytes.data() + at + 16, &kSegment, sizeof kSegment);
  }
  FrameHeader right;
  right.segment_id = kSegment;
  right.sections.resize(3);
  const size_t first = (1 << 20) - 100, second = bytes.size() - right.header_bytes();  // across windows, at the end
  right.serialise(bytes.data() + first);
  right.serialise(bytes.data() + second);
  uint64_t bytes_read = 0;
  FrameFinder finder(
      [&](uint64_t offset, std::span<uint8_t> out) {
        const size_t n = std::min<size_t>(out.size(), bytes.size() - offset);
        std::memcpy(out.data(), bytes.data() + offset, n);
        bytes_read += n;
        return n;
      },
      kSegment, bytes.size());
  FrameHeader found;
  CHECK(finder.next(0, found) == first);
  CHECK(found.sections.size() == 3);
  CHECK(finder.next(first + 1, found) == second);
  CHECK(finder.next(second + 1, found) == bytes.size());
  CHECK(bytes_read < bytes.size() + bytes.size() / 8);
}
