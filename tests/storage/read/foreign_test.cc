// Stores of several sensors read at once, and what else may lie in a store's directory.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <set>

#include "storage/read/segment_directory.h"
#include "tests/storage/store_support.h"

namespace fs = std::filesystem;
using namespace gatetape;
using namespace gatetape::test;

namespace {

// How many packets of `first` and of `second` the stores hold together; each must be one of theirs, by its ordinal.
std::pair<size_t, size_t> require_own(const std::vector<std::string>& directories,
                                      const std::vector<QueryPacket>& first, const std::vector<QueryPacket>& second) {
  auto reader = StoreReader::open(directories);
  REQUIRE(reader);
  std::pair<size_t, size_t> counts;
  const auto read = (*reader)->packets({}, [&](const StoredPacket& stored) {
    const Packet& p = stored.packet;
    const QueryPacket packet{{p.data, p.data + p.captured_length},
                             p.wire_length,
                             p.timestamp_ns,
                             p.link_type,
                             static_cast<uint16_t>(p.interface_id % 2),  // each has two interfaces
                             stored.flow_id};
    const bool of_first = p.ordinal < first.size() && same(packet, first[p.ordinal]);
    const bool of_second = p.ordinal < second.size() && same(packet, second[p.ordinal]);
    REQUIRE((of_first || of_second));
    counts.first += of_first;
    counts.second += of_second;
    return true;
  });
  REQUIRE(read);
  CHECK(read->frames_damaged == 0);
  return counts;
}

std::vector<QueryPacket> one_class(uint32_t seed, size_t count) {
  auto packets = repeating_traffic(seed, count);
  for (QueryPacket& packet : packets) packet.flow_id = 4;
  return packets;
}

// Everything that a store's directory may hold by accident or malice, under names of segments.
class Clutter {
 public:
  explicit Clutter(const std::string& directory, const std::string& elsewhere) {
    const auto at = [&](const std::string& name) { return directory + "/" + name; };
    REQUIRE(::mkfifo(at("000000000777-records.gtr").c_str(), 0600) == 0);
    REQUIRE(::mkfifo(at("000000000000-w000-full.gtp").c_str(), 0600) == 0);
    REQUIRE(::symlink(elsewhere.c_str(), at("000000000500-w000-full.gtp").c_str()) == 0);
    REQUIRE(::symlink("/nonexistent", at("000000000501-w000-full.gtp").c_str()) == 0);
    REQUIRE(::symlink("/dev/zero", at("000000000503-w000-full.gtp").c_str()) == 0);
    REQUIRE(fs::create_directory(at("000000000504-w000-full.gtp")));
    write_file(at("9223372036854775808-w000-full.gtp"), {1, 2, 3});
    write_file(at("99999999999999999999-w000-full.gtp"), {1, 2, 3});
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (!fs::is_regular_file(entry.symlink_status()) || entry.path().filename().string()[0] == '9') foreign_++;
    }
    write_file(at("000000000505-w000-full.gtp"), {});
    write_file(at("000000000001-w001-full.gtp"), std::vector<uint8_t>(5000, 7));
    write_file(at("999999999999-w000-full.gtp"), std::vector<uint8_t>(100, 9));
    write_file(at("999999999999999999-w000-full.gtp"), std::vector<uint8_t>(100, 9));
    for (const auto& entry : fs::directory_iterator(directory)) {
      const std::string path = entry.path().string();
      if (!path.ends_with("-w000-full.gtp") && !path.ends_with("-w001-full.gtp") && !path.ends_with("777-records.gtr"))
        continue;
      if (path != at("000000000001-w000-full.gtp")) paths_.push_back(path);
    }
  }
  size_t foreign() const { return foreign_; }
  bool all_there() const {
    for (const std::string& path : paths_) {
      struct stat status;
      if (::lstat(path.c_str(), &status) != 0) return false;
    }
    return paths_.size() == foreign_ + 4;
  }

 private:
  size_t foreign_ = 0;
  std::vector<std::string> paths_;
};

}  // namespace

TEST_CASE("two sensors' stores that are read together keep their own payloads", "[store][foreign]") {
  TemporaryDirectory directory;
  const std::string one = directory.path("one"), two = directory.path("two");
  // Equal sequence numbers and literal positions, other bytes behind them.
  const auto first = one_class(1, 3000), second = one_class(2, 3000);
  write_store(small_store(one), first, 100);
  write_store(small_store(two), second, 100);
  CHECK(require_own({one, two}, first, second) == std::pair(first.size(), second.size()));
  CHECK(require_own({two, one}, first, second) == std::pair(first.size(), second.size()));
  CHECK(require_own({one, one, one + "/../one"}, first, second) == std::pair(first.size(), size_t{0}));
}

TEST_CASE("interfaces of one name are two where two sensors have them", "[store][foreign]") {
  TemporaryDirectory directory;
  const std::string one = directory.path("one"), two = directory.path("two");
  write_store(small_store(one), one_class(1, 50));
  write_store(small_store(one), one_class(2, 50), 0, 50);
  write_store(small_store(two), one_class(3, 50));
  const auto interfaces = [](const std::vector<std::string>& directories) {
    auto reader = StoreReader::open(directories);
    REQUIRE(reader);
    std::set<uint16_t> used;
    REQUIRE((*reader)->packets({}, [&](const StoredPacket& stored) {
      used.insert(stored.packet.interface_id);
      return true;
    }));
    const auto summary = (*reader)->summary();
    REQUIRE(summary);
    CHECK(2 * used.size() == summary->interfaces.size());  // all of these packets are of the first
    return summary->interfaces;
  };
  CHECK(interfaces({one}).size() == 2);
  CHECK(interfaces({one})[0].store.empty());
  CHECK(interfaces({one, one + "/../one"}).size() == 2);
  const std::vector<StoreInterface> both = interfaces({one, two});
  REQUIRE(both.size() == 4);
  CHECK(both[0].name == both[2].name);
  CHECK(both[0].store == one);
  CHECK(both[2].store == two);
}

TEST_CASE("what only looks like a segment is named, and hides, hangs and loses nothing", "[store][foreign]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store"), other = directory.path("other");
  const auto packets = one_class(3, 600), theirs = one_class(4, 300);
  write_store(small_store(other), theirs);
  const std::string their_segment = segment_paths(other).at(0);
  const auto their_bytes = read_file(their_segment);
  write_store(small_store(store), {packets.begin(), packets.begin() + 200});
  const Clutter clutter(store, their_segment);

  ReadStatistics statistics;
  CHECK(read_packets(store, {}, statistics).size() == 200);
  CHECK(statistics.foreign_entries == clutter.foreign());
  CHECK(statistics.foreign.size() == clutter.foreign());
  CHECK(statistics.damage.size() == 4);  // regular files that are no segments
  auto reader = StoreReader::open({store});
  REQUIRE(reader);
  CHECK((*reader)->summary());

  // Two more runs, of which the second one evicts all that it may.
  write_store(small_store(store), {packets.begin() + 200, packets.begin() + 400}, 0, 200);
  CHECK(read_packets(store, {}, statistics).size() == 400);
  StoreOptions tight = small_store(store);
  tight.ring_bytes_max = StoreOptions::kRingBytesMin;
  write_store(tight, {packets.begin() + 400, packets.end()}, 0, 400);
  for (const HeldPacket& held : read_packets(store, {}, statistics)) REQUIRE(same(held.packet, packets[held.ordinal]));
  CHECK(statistics.foreign_entries == clutter.foreign());
  CHECK(clutter.all_there());
  CHECK(read_file(their_segment) == their_bytes);
}

TEST_CASE("a segment with an absurd number is a reason to refuse, not to overflow", "[store][foreign]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  write_store(small_store(store), one_class(5, 50));
  fs::rename(segment_paths(store).at(0), store + "/999999999999999998-w000-full.gtp");
  CHECK(read_packets(store).size() == 50);
  const auto opened = Store::open(small_store(store), false);
  REQUIRE(!opened);
  CHECK(opened.error().message.find("999999999999999998") != std::string::npos);
}

TEST_CASE("only regular files open, and no link is followed", "[store][foreign]") {
  TemporaryDirectory directory;
  const std::string file = directory.path("file"), link = directory.path("link"), pipe = directory.path("pipe");
  write_file(file, {1});
  REQUIRE(::symlink(file.c_str(), link.c_str()) == 0);
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  FileSystem& files = system_files();
  CHECK(files.open_to_read(file));
  CHECK(files.open_to_change(file));
  CHECK(files.open_to_read(link).error().code == ELOOP);
  CHECK(files.open_to_change(link).error().code == ELOOP);
  CHECK(files.open_to_read(pipe).error().code == EINVAL);
  CHECK(files.open_to_change(pipe).error().code == EINVAL);
  CHECK(files.open_to_read(directory.path(".")).error().code == EINVAL);
  CHECK(files.open_to_read("/dev/zero").error().code == EINVAL);
  CHECK(files.entry_status(link)->kind == FileStatus::Kind::kLink);
}
