// The ledger as a file: what was appended is read back; a torn tail is told from damage, and damage hides nothing after
// it.
#include "storage/evidence/ledger_writer.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <map>

#include "storage/format/byte_order.h"
#include "storage/format/hash_tree.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

using Bytes = std::vector<uint8_t>;

template <size_t N>
std::array<uint8_t, N> counting(uint8_t first) {
  std::array<uint8_t, N> bytes;
  for (size_t i = 0; i < N; i++) bytes[i] = static_cast<uint8_t>(first + i);
  return bytes;
}

SegmentFacts some_segment(uint64_t sequence) {
  SegmentFacts s;
  s.retention = RetentionClass::kPinned;
  s.worker = 3;
  s.sequence = sequence;
  s.uuid = counting<16>(10);
  s.run_uuid = counting<16>(30);
  s.run_started_ns = 1000;
  s.file_bytes = 123456;
  s.frames = 7;
  s.packets = 900;
  s.captured_bytes = 654321;
  s.added = 910;
  s.dropped = 10;
  s.time_min_ns = -5;
  s.time_max_ns = INT64_MAX;
  s.torn_bytes = 3;
  s.root = counting<32>(60);
  s.directory = "/data/tape";
  return s;
}

const std::vector<LedgerContent> kEachType = {
    RunStarted{counting<16>(30), 1000, {{"build", "0.1.0"}, {"host", "sensor-1"}}},
    KeyIntroduced{1001, counting<32>(1), counting<32>(2), counting<64>(3)},
    SegmentSealed{some_segment(1), 2000, true, {}},
    SegmentSealed{some_segment(2), 2001, true, {{3, 4, 9}, true, counting<32>(70)}},
    SegmentEvicted{some_segment(1), 3000, EvictionReason::kDiskFull, "no room on /data"},
    Custody{3500, 12, 3400, "alice", "host 10.0.0.1", {{"output", "case.pcapng"}}},
    Pin{3600, false, 1, counting<16>(10), "alice", "case 7"},
    Checkpoint{"origin\n8\nroot\n\n— name signature\n"},
    RunEnded{counting<16>(30), 4000, 2, {{"packets", "910"}}},
};

class Ledger {
 public:
  Ledger() : path(ledger_path(directory_.path("."))) {}
  std::unique_ptr<LedgerWriter> create(uint8_t store = 1) {
    return std::move(*LedgerWriter::create(system_files(), directory_.path("."), {counting<16>(store), 77}));
  }
  Result<std::unique_ptr<LedgerWriter>> open() {
    return LedgerWriter::open(system_files(), directory_.path("."), [](const LedgerEntry&) {});
  }
  void fill(uint8_t store = 1) {
    auto writer = create(store);
    for (const LedgerContent& content : kEachType) REQUIRE(writer->append(content));
    REQUIRE(writer->sync());
  }
  struct Read {
    std::vector<LedgerEntry> entries;
    std::vector<uint64_t> damaged;
    LedgerReader::Next end{};
  };
  Read read() {
    Read out;
    auto reader = LedgerReader::open(system_files(), path);
    REQUIRE(reader);
    LedgerEntry entry;
    for (;;) {
      const auto next = reader->next(entry);
      if (next == LedgerReader::Next::kEntry) {
        out.entries.push_back(entry);
      } else if (next == LedgerReader::Next::kDamaged) {
        out.damaged.push_back(reader->offset());
      } else {
        out.end = next;
        return out;
      }
    }
  }
  // Where entries begin, and the end of the file.
  std::vector<uint64_t> boundaries() {
    std::vector<uint64_t> out;
    for (const LedgerEntry& entry : read().entries) out.push_back(entry.offset);
    out.push_back(read_file(path).size());
    return out;
  }

 private:
  TemporaryDirectory directory_;

 public:
  const std::string path;
};

Bytes part(const Bytes& bytes, uint64_t begin, uint64_t end) {
  return {bytes.begin() + static_cast<ptrdiff_t>(begin), bytes.begin() + static_cast<ptrdiff_t>(end)};
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& bytes : parts) all.insert(all.end(), bytes.begin(), bytes.end());
  return all;
}

}  // namespace

TEST_CASE("what was appended to a ledger is read back, and its tree is that of its leaves", "[ledger]") {
  Ledger ledger;
  ledger.fill();
  const auto read = ledger.read();
  CHECK(read.end == LedgerReader::Next::kEnd);
  CHECK(read.damaged.empty());
  REQUIRE(read.entries.size() == kEachType.size());
  std::vector<Sha256Digest> leaves;
  for (size_t i = 0; i < kEachType.size(); i++) {
    CHECK(read.entries[i].content == kEachType[i]);
    CHECK(read.entries[i].header.leaves == leaves.size());
    if (read.entries[i].header.is_leaf()) leaves.push_back(read.entries[i].leaf);
  }
  CHECK(leaves.size() == kEachType.size() - 1);  // a checkpoint is none
  auto writer = ledger.open();
  REQUIRE(writer);
  REQUIRE((*writer)->tree());
  CHECK((*writer)->tree()->root() == HashTree().root(leaves));
}

TEST_CASE("an append cut short anywhere is a torn tail; the next writer goes on from there", "[ledger]") {
  Ledger ledger;
  ledger.fill();
  const Bytes whole = read_file(ledger.path);
  const auto at = ledger.boundaries();
  const uint64_t last = at[at.size() - 2];
  for (uint64_t size = last; size < whole.size(); size++) {
    CAPTURE(size, last);
    const bool zeros_follow = size % 2 == 0;  // the size reached the disk, the bytes did not
    Bytes torn = part(whole, 0, size);
    if (zeros_follow) torn.resize(whole.size());
    const bool part_of_a_check = (size > last + 20 && size < last + 24) || size > whole.size() - 8;
    if (zeros_follow && part_of_a_check) continue;  // not certain, so damage
    write_file(ledger.path, torn);
    const auto read = ledger.read();
    CHECK(read.entries.size() == kEachType.size() - 1);
    CHECK(read.damaged.empty());
    CHECK(read.end == (torn.size() == last ? LedgerReader::Next::kEnd : LedgerReader::Next::kTorn));
    auto writer = ledger.open();
    REQUIRE(writer);
    REQUIRE((*writer)->append(kEachType.back()));
    CHECK(read_file(ledger.path) == whole);
  }
}

TEST_CASE("each flipped bit of a ledger is damage where it is, hides nothing else, and is not written over",
          "[ledger]") {
  Ledger ledger;
  ledger.fill();
  const Bytes whole = read_file(ledger.path);
  const auto at = ledger.boundaries();
  for (size_t byte = 0; byte < whole.size(); byte++) {
    CAPTURE(byte);
    Bytes flipped = whole;
    flipped[byte] ^= static_cast<uint8_t>(1 << byte % 8);
    write_file(ledger.path, flipped);
    if (byte < LedgerHeader::kBytes) {
      CHECK(!LedgerReader::open(system_files(), ledger.path));
    } else {
      const auto read = ledger.read();
      const auto hit = std::upper_bound(at.begin(), at.end(), byte) - 1;
      CHECK(read.damaged == std::vector<uint64_t>{*hit});
      CHECK(read.entries.size() == kEachType.size() - 1);
    }
    const auto writer = ledger.open();
    CHECK(!writer);
    CHECK(read_file(ledger.path) == flipped);
  }
}

TEST_CASE("entries removed, exchanged, repeated or taken from another store do not stand in a ledger", "[ledger]") {
  Ledger ledger, other;
  ledger.fill();
  other.fill(2);
  const Bytes whole = read_file(ledger.path), foreign = read_file(other.path);
  const auto at = ledger.boundaries();
  REQUIRE(at[3] - at[2] != at[4] - at[3]);
  const auto entry = [&](size_t i) { return part(whole, at[i], at[i + 1]); };
  const std::map<std::string, Bytes> changed = {
      {"removed", joined({part(whole, 0, at[2]), part(whole, at[3], whole.size())})},
      {"exchanged", joined({part(whole, 0, at[2]), entry(3), entry(2), part(whole, at[4], whole.size())})},
      {"repeated", joined({whole, entry(3)})},
      {"foreign", joined({part(whole, 0, at[2]), part(foreign, at[2], at[3]), part(whole, at[3], whole.size())})},
  };
  for (const auto& [what, bytes] : changed) {
    CAPTURE(what);
    write_file(ledger.path, bytes);
    CHECK(!ledger.read().damaged.empty());
    CHECK(!ledger.open());
    CHECK(read_file(ledger.path) == bytes);
  }
}

TEST_CASE("a type that a newer version adds is passed over, unless it says that it must be understood", "[ledger]") {
  for (const bool required : {false, true}) {
    Ledger ledger;
    ledger.fill();
    Bytes bytes = read_file(ledger.path);
    const uint64_t offset = bytes.size(), seed = ledger_seed(counting<16>(1), offset);
    LedgerEntryHeader header;
    header.type = static_cast<LedgerType>(900);
    header.flags = LedgerEntryHeader::kLeaf;
    if (required) header.flags |= LedgerEntryHeader::kRequired;
    header.body_bytes = 5;
    header.leaves = kEachType.size() - 1;
    ByteSink out;
    out.bytes(header.serialise(seed));
    out.bytes("hello", 5);
    out.put(ledger_checksum(out.bytes(), seed));
    write_file(ledger.path, joined({bytes, {out.data(), out.data() + out.size()}}));
    const auto writer = ledger.open();
    CHECK(static_cast<bool>(writer) == !required);
    if (writer) CHECK((*writer)->tree()->size() == kEachType.size());
    if (!writer) CHECK(writer.error().code == EBADMSG);
  }
}

TEST_CASE("a ledger is not begun over another, nor gone on with where there is none", "[ledger]") {
  Ledger ledger;
  const auto missing = ledger.open();
  REQUIRE(!missing);
  CHECK(missing.error().code == ENOENT);
  ledger.fill();
  const Bytes whole = read_file(ledger.path);
  const auto again = LedgerWriter::create(system_files(), parent_directory(ledger.path), {counting<16>(9), 1});
  REQUIRE(!again);
  CHECK(again.error().code == EEXIST);
  CHECK(read_file(ledger.path) == whole);
}
