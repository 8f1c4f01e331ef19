// kill -9 at any moment: what was written is there, what was handed over two seconds ago was written, and the next
// writer goes on.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The doomed process says this of itself, in memory that survives it.
struct Progress {
  std::atomic<uint64_t> added;
  std::atomic<uint64_t> stored;
  std::atomic<uint64_t> added_two_seconds_ago;
};

void capture_until_killed(const std::string& directory, const std::vector<QueryPacket>& packets,
                          uint64_t packets_per_round, Progress& progress) {
  auto store = Store::open(small_store(directory), true);
  if (!store) ::_exit(1);
  StoreWorker& worker = (*store)->worker(0);
  DecodedPacket decoded;
  std::vector<std::pair<int64_t, uint64_t>> history;  // when, how many were added
  size_t old = 0;
  for (uint64_t ordinal = 0;;) {
    const int64_t now = monotonic_ns();
    worker.tick(now);
    for (uint64_t i = 0; i < packets_per_round; i++, ordinal++) {
      const QueryPacket& p = packets[ordinal % packets.size()];
      const Packet packet = packet_of(p, ordinal);
      decode(packet, decoded);
      worker.add(packet, decoded, {.flow_id = p.flow_id});
    }
    history.emplace_back(monotonic_ns(), ordinal);
    while (history[old].first < now - 2'000'000'000) progress.added_two_seconds_ago = history[old++].second;
    progress.added = ordinal;
    const StoreCounts counts = worker.counts();
    if (counts.dropped_queue_full == 0) progress.stored = counts.stored;
    ::usleep(2000);
  }
}

}  // namespace

TEST_CASE("a killed capture keeps what it wrote", "[store][crash]") {
  const auto packets = store_traffic(50, 2000);
  auto* progress = static_cast<Progress*>(
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(progress != MAP_FAILED);
  const auto seed = static_cast<unsigned>(monotonic_ns());
  CAPTURE(seed);
  std::mt19937 random(seed);
  TemporaryDirectory directory;
  uint64_t kept_before = 0;
  for (int round = 0; round < 8; round++) {
    new (progress) Progress{};
    const bool slow = round % 4 == 3;  // long enough that two seconds matter; else frames fill quickly
    const pid_t child = ::fork();
    if (child == 0) capture_until_killed(directory.path("store"), packets, slow ? 3 : 200, *progress);
    std::this_thread::sleep_for(std::chrono::milliseconds(slow ? 3500 : 100 + random() % 400));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    ReadStatistics statistics;
    const auto read = read_packets(directory.path("store"), {}, statistics);
    CHECK(statistics.frames_damaged == 0);
    const uint64_t kept = read.size() - kept_before;
    CHECK(kept >= progress->stored);
    CHECK(kept >= progress->added_two_seconds_ago);
    if (slow) CHECK(progress->added_two_seconds_ago > 0);
    for (size_t i = 0; i < kept; i++) {
      REQUIRE(read[kept_before + i].ordinal == i);
      REQUIRE(read[kept_before + i].packet.bytes == packets[i % packets.size()].bytes);
    }
    kept_before = read.size();
  }
  write_store(small_store(directory.path("store")), packets);
  CHECK(read_packets(directory.path("store")).size() == kept_before + packets.size());
  ::munmap(progress, sizeof(Progress));
}
