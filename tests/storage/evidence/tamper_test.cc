// A store that somebody changed: whatever was flipped, removed, put in, exchanged, taken from elsewhere or made anew
// without the key is found. An untouched one verifies, and one whose run was killed says what is not signed.
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/store_request.h"
#include "storage/evidence/store_verify.h"
#include "storage/format/segment_index.h"
#include "storage/read/segment_reader.h"
#include "storage/write/segment_seal.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

std::shared_ptr<const SigningKey> new_key() {
  return std::make_shared<const SigningKey>(SigningKey::generate());
}

// A store of several segments of each class, recorded in two runs.
class SignedStore {
 public:
  explicit SignedStore(std::shared_ptr<const SigningKey> with, uint32_t seed = 70, size_t count = 1500,
                       size_t frame_packets = 300)
      : key(std::move(with)) {
    StoreOptions options = small_store(path);
    options.ring_bytes_max = 64 << 20;
    options.segment_raw_bytes_max = 300'000;
    options.evidence.key = key;
    options.evidence.hand_out = [this](const std::string& note) { outside.push_back(*SignedNote::parse(note)); };
    const auto packets = store_traffic(seed, count);
    const size_t half = packets.size() / 2;
    record(options, {packets.begin(), packets.begin() + static_cast<ptrdiff_t>(half)}, 0, frame_packets);
    const SegmentFacts first = std::get<SegmentSealed>(first_of(LedgerType::kSegmentSealed).content).segment;
    REQUIRE(hand_over(system_files(), path,
                      {Custody{1, 2, 3, "somebody", "host 10.9.0.1", {}},
                       Pin{1, true, first.sequence, first.uuid, "somebody", "case 17"}}));
    record(options, {packets.begin() + static_cast<ptrdiff_t>(half), packets.end()}, half, frame_packets);
  }

  VerifyReport verify(std::vector<SignedNote> checkpoints = {}) const {
    VerifyOptions options;
    options.directories = {path};
    options.fingerprint = key->fingerprint();
    options.outside = std::move(checkpoints);
    options.literal_bytes = 8 << 20;
    const auto report = verify_store(system_files(), options);
    REQUIRE(report);
    return *report;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> all = segment_paths(path);
    const auto records = segment_paths(path, ".gtr");
    all.insert(all.end(), records.begin(), records.end());
    all.push_back(ledger_path(path));
    return all;
  }
  LedgerEntry first_of(LedgerType type) const {
    for (const LedgerEntry& entry : ledger()) {
      if (entry.header.type == type) return entry;
    }
    FAIL("no such entry");
    return {};
  }
  std::vector<LedgerEntry> ledger() const {
    std::vector<LedgerEntry> entries;
    REQUIRE(read_ledger(system_files(), ledger_path(path), [&](const LedgerEntry& e) { entries.push_back(e); }));
    return entries;
  }

 private:
  static void record(const StoreOptions& options, const std::vector<QueryPacket>& packets, uint64_t first,
                     size_t frame_packets) {
    auto store = Store::open(options, false);
    REQUIRE(store);
    write_packets(**store, packets, 1, frame_packets, first);
    RecordBatch batch;
    for (int64_t i = 0; i < 200; i++) batch.append(EventRecord{i, "test.event", "said by the test"});
    REQUIRE((*store)->records().write(batch));
    REQUIRE((*store)->close());
  }

  TemporaryDirectory directory_;

 public:
  const std::string path = directory_.path("store");
  const std::shared_ptr<const SigningKey> key;
  std::vector<SignedNote> outside;
};

std::string name_of(const std::string& path) {
  return std::string(file_name(path));
}

bool names(const VerifyReport& report, const std::string& name) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [&](const Finding& finding) { return finding.file.ends_with(name); });
}

// Does something to a store's files, verifies, and undoes it.
class Tampering {
 public:
  explicit Tampering(const SignedStore& store) : store_(store) {
    for (const std::string& path : store.files()) before_[path] = read_file(path);
  }
  template <class Change>
  VerifyReport with(Change change, const std::vector<SignedNote>& checkpoints = {}) {
    change();
    VerifyReport report = store_.verify(checkpoints);
    for (const std::string& path : store_.files()) {
      if (!before_.contains(path)) fs::remove(path);
    }
    for (const auto& [path, bytes] : before_) {
      if (!fs::is_regular_file(path)) fs::remove(path);
      if (!fs::exists(path) || read_file(path) != bytes) write_file(path, bytes);
    }
    return report;
  }

 private:
  const SignedStore& store_;
  std::map<std::string, Bytes> before_;
};

}  // namespace

TEST_CASE("an untouched store verifies, against its checkpoints, too", "[verify]") {
  const SignedStore store(new_key());
  const VerifyReport report = store.verify(store.outside);
  for (const Finding& finding : report.findings) UNSCOPED_INFO(finding.file << ": " << finding.what);
  CHECK(report.sound());
  CHECK(report.tail.empty());
  CHECK(report.remarks.empty());
  CHECK(report.packets == 1500);
  CHECK(report.segments == store.files().size() - 1);
  CHECK(report.segments > 6);
  CHECK(report.signed_leaves == report.leaves);
  CHECK(report.captured_bytes > 0);
}

TEST_CASE("each flipped bit is found, and its file named", "[verify]") {
  const SignedStore store(new_key());
  Tampering tampering(store);
  size_t flips = 0;
  for (const std::string& path : store.files()) {
    const size_t size = read_file(path).size();
    // Every byte of headers, index and trailer would take too long: a step that hits each field somewhere.
    for (size_t at = 0; at < size; at += size < 4000 ? 19 : size / 20 + 1) {
      const VerifyReport report = tampering.with([&] {
        Bytes bytes = read_file(path);
        bytes[at] ^= static_cast<uint8_t>(1 << at % 8);
        write_file(path, bytes);
      });
      CAPTURE(path, at);
      CHECK(!report.sound());
      CHECK(names(report, name_of(path)));
      flips++;
    }
  }
  CHECK(flips > 200);
  CHECK(store.verify().sound());
}

namespace {

// Positions of a file, by what stands there.
using Classes = std::map<std::string, std::set<uint64_t>>;

void add_all(std::set<uint64_t>& positions, uint64_t begin, uint64_t size) {
  for (uint64_t at = begin; at < begin + size; at++) positions.insert(at);
}

void add_ends(std::set<uint64_t>& positions, uint64_t begin, uint64_t size) {
  if (size != 0) positions.insert({begin, begin + size / 3, begin + size / 2, begin + size - 1});
}

void add_frame(Classes& classes, const Bytes& file, uint64_t offset, const SegmentHeader& segment, bool each_byte) {
  FrameHeader header;
  size_t needed;
  REQUIRE(FrameHeader::parse(std::span(file).subspan(offset), segment_id(segment.uuid), header, needed) ==
          FrameHeader::Parse::kOk);
  const std::string kind = header.kind == FrameKind::kIndex ? "index frame" : "frame";
  auto& in_header = classes[kind + " header"];
  each_byte ? add_all(in_header, offset, header.header_bytes()) : add_ends(in_header, offset, header.header_bytes());
  uint64_t at = offset + header.header_bytes();
  for (const Section& section : header.sections) {
    add_ends(classes["section " + std::to_string(static_cast<int>(section.type))], at, section.stored_bytes);
    at += section.stored_bytes;
  }
}

Classes classes_of_segment(const std::string& path) {
  const Bytes file = read_file(path);
  auto segment = SegmentReader::open(system_files(), path, [](const std::string&, uint64_t, const char*) {});
  REQUIRE(segment);
  Classes classes;
  const auto& frames = (*segment)->frames();
  REQUIRE(!frames.empty());
  add_all(classes["segment header"], 0, frames.front().offset);
  for (size_t i = 0; i < frames.size(); i++) add_frame(classes, file, frames[i].offset, (*segment)->header(), i == 0);
  add_frame(classes, file, (*segment)->end_of_frames(), (*segment)->header(), true);
  add_all(classes["trailer"], file.size() - Trailer::kBytes, Trailer::kBytes);
  return classes;
}

Classes classes_of_ledger(const SignedStore& store) {
  Classes classes;
  add_all(classes["ledger header"], 0, LedgerHeader::kBytes);
  std::set<LedgerType> seen;
  for (const LedgerEntry& entry : store.ledger()) {
    const std::string name = std::string(to_string(entry.header.type));
    const bool first = seen.insert(entry.header.type).second;
    const uint64_t body = entry.offset + LedgerEntryHeader::kBytes;
    if (first) {
      add_all(classes["ledger: " + name], entry.offset, entry.header.entry_bytes());
    } else {
      add_ends(classes["ledger: " + name], entry.offset, LedgerEntryHeader::kBytes);
      add_ends(classes["ledger: " + name], body, entry.header.body_bytes + LedgerEntryHeader::kChecksumBytes);
    }
  }
  return classes;
}

}  // namespace

TEST_CASE("a bit flipped in each class of bytes of each kind of file is found", "[verify]") {
  const SignedStore store(new_key(), 75, 120);
  std::map<std::string, Classes> files;  // one of each kind
  files[segment_paths(store.path).front()] = classes_of_segment(segment_paths(store.path).front());
  files[segment_paths(store.path, ".gtr").front()] = classes_of_segment(segment_paths(store.path, ".gtr").front());
  files[ledger_path(store.path)] = classes_of_ledger(store);
  std::map<std::string, size_t> flips;
  for (const auto& [path, classes] : files) {
    const Bytes before = read_file(path);
    for (const auto& [name, positions] : classes) {
      for (const uint64_t at : positions) {
        Bytes bytes = before;
        bytes[at] ^= static_cast<uint8_t>(1 << at % 8);
        write_file(path, bytes);
        const VerifyReport report = store.verify();
        if (report.sound() || !names(report, name_of(path))) FAIL(path << ", byte " << at << ": " << name);
        flips[std::string(fs::path(path).extension()) + " " + name]++;
      }
    }
    write_file(path, before);
  }
  std::string counts;
  size_t all = 0;
  for (const auto& [name, count] : flips) {
    counts += fmt::format("\n  {}: {}", name, count);
    all += count;
  }
  WARN("found all of " << all << " flips:" << counts);
  CHECK(all > 1000);
  CHECK(store.verify().sound());
  CHECK(store.verify().extractions == 1);
  CHECK(store.verify().pinned == 1);
}

TEST_CASE("whole files removed, exchanged, copied, cut or taken from another store are found", "[verify]") {
  const auto key = new_key();
  const SignedStore store(key), other(key, 71);
  Tampering tampering(store);
  const auto packets = segment_paths(store.path), records = segment_paths(store.path, ".gtr");
  const std::string &first = packets.front(), &middle = packets[packets.size() / 2], &newest = packets.back();
  for (const std::string& path : {first, middle, newest, records.front()}) {
    CAPTURE(path);
    CHECK(names(tampering.with([&] { fs::remove(path); }), name_of(path)));
    CHECK(names(tampering.with([&] { write_file(path, {}); }), name_of(path)));
    CHECK(names(tampering.with([&] { fs::resize_file(path, fs::file_size(path) / 2); }), name_of(path)));
    CHECK(names(tampering.with([&] { fs::resize_file(path, fs::file_size(path) + 100); }), name_of(path)));
  }
  const VerifyReport exchanged = tampering.with([&] {
    const Bytes bytes = read_file(first);
    write_file(first, read_file(middle));
    write_file(middle, bytes);
  });
  CHECK(names(exchanged, name_of(first)));
  CHECK(names(exchanged, name_of(middle)));
  const std::string copy = store.path + "/000000000990-w000-full.gtp";
  CHECK(names(tampering.with([&] { write_file(copy, read_file(middle)); }), name_of(copy)));
  CHECK(names(tampering.with([&] { write_file(middle, read_file(segment_paths(other.path)[1])); }), name_of(middle)));
  CHECK(!tampering.with([&] { write_file(ledger_path(store.path), read_file(ledger_path(other.path))); }).sound());
  const auto pipe_at = [](const std::string& path) {
    fs::remove(path);
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  };
  const VerifyReport piped = tampering.with([&] { pipe_at(middle); });  // and it does not wait for a writer
  CHECK(names(piped, name_of(middle)));
  const VerifyReport piped_ledger = tampering.with([&] { pipe_at(ledger_path(store.path)); });
  CHECK(names(piped_ledger, "ledger"));
  const VerifyReport unsigned_store = tampering.with([&] { fs::remove(ledger_path(store.path)); });
  REQUIRE(unsigned_store.findings.size() == 1);
  CHECK(unsigned_store.findings[0].what.find("not signed") != std::string::npos);
  CHECK(store.verify().sound());
}

TEST_CASE("a ledger cut anywhere is not sound, or looks killed; checkpoints outside always tell", "[verify]") {
  const SignedStore store(new_key());
  Tampering tampering(store);
  const std::string path = ledger_path(store.path);
  const size_t size = read_file(path).size();
  for (size_t cut = 1; cut < size - LedgerHeader::kBytes; cut += 97) {
    CAPTURE(cut);
    const auto change = [&] { fs::resize_file(path, size - cut); };
    const VerifyReport report = tampering.with(change);
    CHECK((!report.sound() || !report.tail.empty()));
    CHECK(!tampering.with(change, store.outside).sound());
  }
}

TEST_CASE("entries of the ledger removed, exchanged or changed are found though every checksum is right", "[verify]") {
  const SignedStore store(new_key());
  Tampering tampering(store);
  const auto entries = store.ledger();
  const auto header = LedgerHeader::parse(read_file(ledger_path(store.path)));
  REQUIRE(header);
  const auto rewritten = [&](std::vector<LedgerEntry> changed) {
    return tampering.with([&] {
      fs::remove(ledger_path(store.path));
      auto writer = LedgerWriter::create(system_files(), store.path, *header);
      REQUIRE(writer);
      for (const LedgerEntry& entry : changed) REQUIRE((*writer)->append(entry.content));
    });
  };
  CHECK(rewritten(entries).sound());  // the same entries are the same ledger
  for (size_t i = 0; i < entries.size(); i++) {
    CAPTURE(i, to_string(entries[i].header.type));
    auto removed = entries;
    removed.erase(removed.begin() + static_cast<ptrdiff_t>(i));
    const VerifyReport report = rewritten(removed);
    // A checkpoint that another one follows covers nothing that is not covered.
    const bool needless = entries[i].header.type == LedgerType::kCheckpoint && i + 1 != entries.size();
    CHECK(report.sound() == needless);
    if (i + 1 == entries.size() || !entries[i].header.is_leaf() || !entries[i + 1].header.is_leaf()) continue;
    auto exchanged = entries;
    std::swap(exchanged[i], exchanged[i + 1]);
    CHECK(!rewritten(exchanged).sound());
  }
  auto changed = entries;
  for (LedgerEntry& entry : changed) {
    if (auto* sealed = std::get_if<SegmentSealed>(&entry.content)) sealed->segment.dropped = 0, sealed->sealed_ns++;
  }
  CHECK(!rewritten(changed).sound());
  auto evicted = entries;  // a false tombstone
  for (const LedgerEntry& entry : entries) {
    const auto* sealed = std::get_if<SegmentSealed>(&entry.content);
    if (sealed == nullptr) continue;
    evicted.push_back({0, {}, SegmentEvicted{sealed->segment, 1, EvictionReason::kRingFull, ""}, {}});
    break;
  }
  CHECK(!rewritten(evicted).sound());
}

TEST_CASE("a store made anew without the key is found", "[verify]") {
  const SignedStore store(new_key()), forged(new_key());
  Tampering tampering(store);
  const VerifyReport report = tampering.with([&] {
    for (const std::string& path : store.files()) fs::remove(path);
    for (const std::string& path : forged.files()) fs::copy_file(path, store.path + "/" + name_of(path));
  });
  CHECK(names(report, "ledger"));
}

TEST_CASE("an index that hides a frame is found though its checksums are right", "[verify]") {
  const SignedStore store(new_key());
  Tampering tampering(store);
  const std::string path = segment_paths(store.path).front();
  const VerifyReport report = tampering.with([&] {
    Bytes bytes = read_file(path);
    Trailer trailer;
    REQUIRE(Trailer::parse(std::span(bytes).last(Trailer::kBytes), trailer));
    auto segment = SegmentReader::open(system_files(), path, [](const std::string&, uint64_t, const char*) {});
    REQUIRE(segment);
    SegmentIndexBuilder empty;  // no lanes: whatever is asked, no frame has it
    ByteSink index;
    empty.serialise((*segment)->header(), (*segment)->frames(), (*segment)->summary(), index);
    bytes.resize(trailer.index_offset);
    bytes.insert(bytes.end(), index.data(), index.data() + index.size());
    const auto end = Trailer{trailer.index_offset, bytes.size() + Trailer::kBytes}.serialise();
    bytes.insert(bytes.end(), end.begin(), end.end());
    write_file(path, bytes);
  });
  CHECK(names(report, name_of(path)));
}

TEST_CASE("frames removed, exchanged, doubled, or taken from another store are found, though all is sealed anew",
          "[verify]") {
  const auto key = new_key();
  const SignedStore store(key, 75, 600, 20), other(key, 76, 600, 20);
  Tampering tampering(store);
  const auto frames_of = [](const std::string& of) {
    auto segment = SegmentReader::open(system_files(), of, [](const std::string&, uint64_t, const char*) {});
    REQUIRE(segment);
    const Bytes file = read_file(of);
    std::vector<Bytes> frames;
    for (const FrameEntry& frame : (*segment)->frames()) {
      const auto begin = file.begin() + static_cast<ptrdiff_t>(frame.offset);
      frames.emplace_back(begin, begin + frame.stored_bytes);
    }
    return frames;
  };
  const auto paths = segment_paths(store.path);
  const std::string path = *std::ranges::max_element(paths, {}, [&](const auto& of) { return frames_of(of).size(); });
  const Bytes file = read_file(path);
  size_t header_bytes = 0;
  const auto header = SegmentHeader::parse(file, header_bytes);
  REQUIRE(header);
  // The segment with these frames, each made to be its own, and an index that fits.
  const auto with_frames = [&](std::vector<Bytes> frames, bool make_fit) {
    return tampering.with([&] {
      Bytes bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(header_bytes));
      for (uint32_t number = 0; number < frames.size(); number++) {
        FrameHeader frame;
        size_t needed;
        uint64_t id;
        std::memcpy(&id, frames[number].data() + 16, sizeof id);
        REQUIRE(FrameHeader::parse(frames[number], id, frame, needed) == FrameHeader::Parse::kOk);
        frame.segment_id = segment_id(header->uuid);
        frame.number = number;
        if (make_fit) frame.serialise(frames[number].data());
        bytes.insert(bytes.end(), frames[number].begin(), frames[number].end());
      }
      write_file(path, bytes);
      REQUIRE(seal_segment(system_files(), path));
    });
  };
  const auto frames = frames_of(path);
  REQUIRE(frames.size() > 3);
  CHECK(with_frames(frames, true).sound());  // sealed as it was
  size_t tried = 0;
  for (const bool make_fit : {false, true}) {
    for (size_t i = 0; i < frames.size(); i++) {
      CAPTURE(i, make_fit);
      auto removed = frames, exchanged = frames, doubled = frames, foreign = frames;
      removed.erase(removed.begin() + static_cast<ptrdiff_t>(i));
      std::swap(exchanged[i], exchanged[(i + 1) % frames.size()]);
      doubled.insert(doubled.begin() + static_cast<ptrdiff_t>(i), frames[i]);
      foreign[i] = frames_of(segment_paths(other.path).front())[i % 3];
      for (const auto& changed : {removed, exchanged, doubled, foreign}) {
        CHECK(names(with_frames(changed, make_fit), name_of(path)));
        tried++;
      }
    }
  }
  WARN("found all of " << tried << " changes of frames");
  CHECK(store.verify().sound());
}

TEST_CASE("what was evicted with a tombstone is sound to be missing", "[verify]") {
  const SignedStore store(new_key());
  SegmentFacts oldest;
  for (const LedgerEntry& entry : store.ledger()) {
    const auto* sealed = std::get_if<SegmentSealed>(&entry.content);
    if (sealed != nullptr && sealed->segment.kind == SegmentKind::kPackets && oldest.sequence == 0)
      oldest = sealed->segment;
  }
  {
    EvidenceOptions options;
    options.key = store.key;
    auto notary = Notary::open(system_files(), store.path, std::move(options), {}, Uuid{9}, {}, system_clock());
    REQUIRE(notary);
    (*notary)->evicted({oldest}, EvictionReason::kRingFull);
    REQUIRE((*notary)->end(0, {}));
  }
  CHECK(store.verify().sound());  // the file is still there: nothing is gone
  CHECK(store.verify().evicted == 0);
  fs::remove(segment_paths(store.path).front());
  const VerifyReport report = store.verify();
  CHECK(report.sound());
  CHECK(report.evicted == 1);
}

TEST_CASE("a ring that has turned over verifies, with a tombstone for each segment that is gone", "[verify]") {
  const auto key = new_key();
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.ring_bytes_max = 2 << 20;
  options.segment_stored_bytes_max = 1 << 20;  // two of these are the least ring
  options.segment_raw_bytes_max = 300'000;
  options.evidence.key = key;
  const auto packets = store_traffic(74, 6000);
  for (uint64_t run = 0; run < 3; run++) write_store(options, packets, 300, run * packets.size());
  VerifyOptions verify;
  verify.directories = options.directories;
  verify.fingerprint = key->fingerprint();
  const auto report = verify_store(system_files(), verify);
  REQUIRE(report);
  for (const Finding& finding : report->findings) UNSCOPED_INFO(finding.file << ": " << finding.what);
  CHECK(report->sound());
  CHECK(report->tail.empty());
  CHECK(report->evicted > 3);
  CHECK(report->segments > 0);
  const std::string& store = options.directories.front();
  CHECK(report->segments == segment_paths(store).size() + segment_paths(store, ".gtr").size());
}

TEST_CASE("what a killed run left is named, and signed by the next run", "[verify]") {
  const auto key = new_key();
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("running"));
  options.segment_raw_bytes_max = 300'000;
  options.evidence.key = key;
  const auto packets = store_traffic(72, 2000);
  {
    auto store = Store::open(options, false);
    REQUIRE(store);
    write_packets(**store, packets, 1, 300);
    REQUIRE((*store)->settle());
    fs::copy(directory.path("running"), directory.path("killed"));
    REQUIRE((*store)->close());
  }
  VerifyOptions verify;
  verify.directories = {directory.path("killed")};
  verify.fingerprint = key->fingerprint();
  const auto killed = verify_store(system_files(), verify);
  REQUIRE(killed);
  CHECK(killed->sound());
  CHECK(!killed->tail.empty());

  options.directories = verify.directories;
  write_store(options, store_traffic(73, 10));
  const auto recovered = verify_store(system_files(), verify);
  REQUIRE(recovered);
  for (const Finding& finding : recovered->findings) UNSCOPED_INFO(finding.file << ": " << finding.what);
  CHECK(recovered->sound());
  CHECK(recovered->tail.empty());
  // Another remark may tell of entries that were not signed yet: the copy was made while segments were being sealed.
  CHECK(std::ranges::count_if(recovered->remarks, [](const std::string& remark) {
          return remark.find("left by runs that were killed") != std::string::npos;
        }) == 1);
  CHECK(recovered->packets == 2010);
}

namespace {

// A segment of several frames, left open by a capture that was killed.
struct LeftOpen {
  std::string path;
  std::vector<FrameEntry> frames;
};

LeftOpen open_segment_of(const std::string& store) {
  for (const std::string& path : segment_paths(store)) {
    auto segment = SegmentReader::open(system_files(), path, [](const std::string&, uint64_t, const char*) {});
    if (segment && !(*segment)->sealed() && (*segment)->frames().size() >= 3) return {path, (*segment)->frames()};
  }
  FAIL("no open segment of several frames");
  return {};
}

}  // namespace

TEST_CASE("what a power cut took is said as that, and nothing else passes for it", "[verify]") {
  const auto key = new_key();
  TemporaryDirectory directory;
  const std::string path = directory.path("cut");
  StoreOptions options = small_store(directory.path("running"));
  options.evidence.key = key;
  {
    auto store = Store::open(options, false);
    REQUIRE(store);
    write_packets(**store, store_traffic(74, 2000), 1, 300);
    REQUIRE((*store)->settle());
    fs::copy(directory.path("running"), path);
    REQUIRE((*store)->close());
  }
  const LeftOpen left = open_segment_of(path);
  const FrameEntry& torn = left.frames[1];
  const uint64_t hit = torn.offset + torn.stored_bytes - 16;
  const auto flip = [&](uint64_t at) {
    Bytes bytes = read_file(left.path);
    bytes[at] ^= 0x24;
    write_file(left.path, bytes);
  };
  flip(hit);

  options.directories = {path};
  write_store(options, store_traffic(75, 10));
  VerifyOptions verify;
  verify.directories = {path};
  verify.fingerprint = key->fingerprint();
  const auto says = [&] {
    const auto report = verify_store(system_files(), verify);
    REQUIRE(report);
    return *report;
  };
  const VerifyReport cut = says();
  for (const Finding& finding : cut.findings) UNSCOPED_INFO(finding.file << ": " << finding.what);
  CHECK(cut.sound());
  CHECK(cut.tail.empty());
  CHECK(std::ranges::count_if(cut.remarks, [&](const std::string& remark) {
          return remark.starts_with(left.path) && remark.find("had been damaged") != std::string::npos;
        }) == 1);

  // Neither does that allow to change the damaged frame, not even back, nor another one.
  for (const uint64_t at : {hit, torn.offset + 200, left.frames[0].offset + left.frames[0].stored_bytes - 16}) {
    flip(at);
    CHECK_FALSE(says().sound());
    flip(at);
  }
  CHECK(says().sound());
}
