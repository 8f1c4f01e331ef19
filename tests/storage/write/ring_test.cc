// The limits of a store: its size, the disk's, one writer, and readers that work meanwhile.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "common/file.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

// Packets that neither repeat nor compress, all of one class.
std::vector<QueryPacket> noise(uint32_t seed, size_t count) {
  std::mt19937_64 random(seed);
  auto packets = repeating_traffic(seed, count);
  for (auto& p : packets) {
    p.flow_id = 4;
    p.bytes.resize(1500);
    for (size_t i = 54; i + 8 <= p.bytes.size(); i += 8) {
      const uint64_t word = random();
      std::memcpy(p.bytes.data() + i, &word, 8);
    }
    p.wire_length = 1500;
  }
  return packets;
}

uint64_t directory_bytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) bytes += entry.file_size();
  return bytes;
}

// The packets read are the newest that were written, without a hole.
void require_newest(const std::vector<HeldPacket>& read, const std::vector<QueryPacket>& written) {
  REQUIRE(!read.empty());
  for (size_t i = 0; i < read.size(); i++) {
    REQUIRE(read[i].ordinal == written.size() - read.size() + i);
    REQUIRE(same(read[i].packet, written[read[i].ordinal]));
  }
}

}  // namespace

TEST_CASE("a full ring gives way at its oldest end", "[store][ring]") {
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.ring_bytes_max = 20 << 20;
  const auto packets = noise(30, 40000);  // 60 MB
  write_store(options, packets);
  CHECK(directory_bytes(directory.path("store")) < (21u << 20));
  const auto read = read_packets(directory.path("store"));
  CHECK(read.size() > packets.size() / 5);
  require_newest(read, packets);

  // Eviction is on record.
  auto reader = StoreReader::open({directory.path("store")});
  int evictions = 0;
  REQUIRE((*reader)->records({}, [&](const Record& record) {
    const auto* event = std::get_if<EventRecord>(&record);
    evictions += event != nullptr && event->name == "disk.evicted";
    return true;
  }));
  CHECK(evictions > 10);

  // The next run makes room among what it finds.
  options.ring_bytes_max = 8 << 20;
  write_store(options, noise(31, 4000));
  CHECK(directory_bytes(directory.path("store")) < (9u << 20));
}

TEST_CASE("a sealed file that somebody made longer evicts no other", "[store][ring]") {
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.ring_bytes_max = 20 << 20;
  const auto packets = noise(32, 6000);
  write_store(options, packets);
  std::vector<std::filesystem::path> segments;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path("store"))) {
    if (entry.path().extension() == ".gtp") segments.push_back(entry.path());
  }
  std::ranges::sort(segments);
  REQUIRE(segments.size() > 3);
  SECTION("by a hole") {
    std::filesystem::resize_file(segments[1], uint64_t{12} << 30);
  }
  SECTION("by real bytes") {
    std::ofstream file(segments[1], std::ios::app | std::ios::binary);
    file << std::string(30 << 20, 'x');
  }
  write_store(options, noise(33, 100));
  for (const auto& segment : segments) CHECK(std::filesystem::exists(segment));
}

TEST_CASE("one writer at a time, and the second is told so", "[store][ring]") {
  TemporaryDirectory directory;
  auto first = Store::open(small_store(directory.path("store")), false);
  REQUIRE(first);
  SECTION("the lock file is there") {}
  SECTION("somebody removed it") {
    std::filesystem::remove(directory.path("store") + "/lock");
  }
  SECTION("somebody replaced it") {
    std::filesystem::remove(directory.path("store") + "/lock");
    std::ofstream(directory.path("store") + "/lock");
  }
  auto second = Store::open(small_store(directory.path("store")), false);
  REQUIRE(!second);
  CHECK(second.error().message.find(directory.path("store")) != std::string::npos);
  CHECK(second.error().message.find("another") != std::string::npos);
  REQUIRE((*first)->close());
  first->reset();
  CHECK(Store::open(small_store(directory.path("store")), false));
}

TEST_CASE("a store that cannot be opened says why", "[store][ring]") {
  auto store = Store::open(small_store("/proc/nonesuch/store"), false);
  REQUIRE(!store);
  CHECK(store.error().message.find("/proc/nonesuch") != std::string::npos);
  CHECK(!StoreReader::open({"/nonexistent/store"}));
}

TEST_CASE("readers follow a writer", "[store][ring]") {
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.ring_bytes_max = 16 << 20;  // evicts under the readers as well
  const auto packets = noise(32, 20000);
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  std::string wrong;
  std::thread reader([&] {
    do {
      auto opened = StoreReader::open({directory.path("store")});
      if (!opened) continue;
      uint64_t last = 0;
      auto read = (*opened)->packets({}, [&](const StoredPacket& stored) {
        const auto& expected = packets[stored.packet.ordinal].bytes;
        const auto bytes = stored.packet.bytes();
        if (!std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end())) wrong = "bytes";
        if (stored.packet.ordinal < last) wrong = "order";
        last = stored.packet.ordinal;
        return true;
      });
      if (!read) wrong = read.error().message;
      if (read && read->frames_damaged != 0) wrong = read->damage.front();
      rounds++;
    } while (!done);
  });
  write_store(options, packets, 300);
  done = true;
  reader.join();
  CHECK(wrong.empty());
  INFO(wrong);
  CHECK(rounds > 1);
}

TEST_CASE("a packet can be read within two seconds, while the capture goes on", "[store][ring]") {
  TemporaryDirectory directory;
  auto store = Store::open(small_store(directory.path("store")), true);
  REQUIRE(store);
  const auto packets = repeating_traffic(33, 10);
  DecodedPacket decoded;
  StoreWorker& worker = (*store)->worker(0);
  worker.tick(1'000'000'000);
  for (size_t i = 0; i < packets.size(); i++) {
    const Packet packet = packet_of(packets[i], i);
    decode(packet, decoded);
    worker.add(packet, decoded, {packets[i].flow_id});
  }
  worker.tick(1'900'000'000);
  CHECK(worker.counts().pending == packets.size());
  CHECK(worker.counts().stored == 0);
  worker.tick(2'000'000'000);
  REQUIRE((*store)->settle());
  CHECK(worker.counts().stored == packets.size());
  CHECK(read_packets(directory.path("store")).size() == packets.size());
  REQUIRE((*store)->close());
}

namespace {

// Runs in a process of its own, so that limits and mounts end with it; true when `body` returned true.
template <class F>
bool in_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("an error of the disk is remembered and counted, and another segment is begun", "[store][ring]") {
  TemporaryDirectory directory;
  const auto packets = noise(34, 6000);  // 9 MB
  const bool as_expected = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{3 << 20, 3 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto store = Store::open(small_store(directory.path("store")), false);
    if (!store) return false;
    write_packets(**store, packets);
    const bool failed = !(*store)->settle() && !(*store)->status();
    const StoreCounts counts = (*store)->worker(0).counts();
    (void)(*store)->close();
    return failed && counts.added == packets.size() && counts.pending == 0 && counts.dropped_failed > 0 &&
           counts.stored + counts.dropped_failed == counts.added;
  });
  CHECK(as_expected);
  const auto read = read_packets(directory.path("store"));
  CHECK(read.size() > 500);
  size_t at = 0;  // in order, with holes
  for (const auto& stored : read) {
    while (at < packets.size() && !same(stored.packet, packets[at])) at++;
    REQUIRE(at < packets.size());
  }
}

TEST_CASE("a full disk evicts and goes on", "[store][ring]") {
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory.path("store"));
  if (::mount("tmpfs", directory.path("store").c_str(), "tmpfs", 0, "size=12m") != 0) {
    WARN("skipped: no permission to mount a small file system");
    return;
  }
  StoreOptions options = small_store(directory.path("store"));  // whose ring is as large as the disk
  options.ring_bytes_max = 12 << 20;
  const auto packets = noise(35, 20000);  // 30 MB
  write_store(options, packets);
  {
    const auto read = read_packets(directory.path("store"));
    CHECK(read.size() > 2000);
    require_newest(read, packets);
  }
  ::umount2(directory.path("store").c_str(), MNT_DETACH);
}
