#include "capture/distributor.h"

#include <catch2/catch.hpp>
#include <mutex>
#include <set>
#include <thread>

#include "capture/published_account.h"
#include "capture/spsc_queue.h"
#include "tests/support/packet_builder.h"

using namespace gatetape;

namespace {

// A source of `total` packets of many flows from memory, with a few bursts like any other; counts what comes back.
class MemorySource : public Source {
 public:
  MemorySource(uint32_t total, bool live, size_t bursts) : total_(total), live_(live), bursts_(bursts) {
    for (uint16_t port = 1; port <= 50; ++port) packets_.push_back(test::tcp("10.9.0.1", port, "10.9.0.100", 80));
    for (auto& burst : bursts_) free_.insert(&burst);
  }
  unsigned queue_count() const override { return 1; }
  Result<PollResult> poll(unsigned) override {
    const std::lock_guard lock(mutex_);
    if (next_ == total_) return PollResult{PollStatus::kEnd, nullptr};
    if (free_.empty()) return PollResult{PollStatus::kIdle, nullptr};
    Burst* burst = *free_.begin();
    free_.erase(free_.begin());
    burst->count = 0;
    while (burst->count < 7 && next_ < total_) {
      burst->packets[burst->count++] = packets_[next_ % packets_.size()].packet();
      ++next_;
    }
    return PollResult{PollStatus::kPackets, burst};
  }
  void release(Burst* burst) override {
    const std::lock_guard lock(mutex_);
    REQUIRE(free_.insert(burst).second);
  }
  void stop() override { next_ = total_; }
  PortAccount account() const override { return {}; }
  std::vector<InterfaceInfo> interfaces() const override { return {{"memory", LinkType::kEthernet, 65535}}; }
  bool live() const override { return live_; }
  bool all_returned() const { return free_.size() == bursts_.size(); }

 private:
  const uint32_t total_;
  const bool live_;
  uint32_t next_ = 0;
  std::vector<test::PacketBytes> packets_;
  std::vector<Burst> bursts_;
  std::set<Burst*> free_;
  std::mutex mutex_;
};

}  // namespace

TEST_CASE("each packet reaches exactly one worker, flows stay together, order is kept, bursts come back") {
  constexpr unsigned kWorkers = 3;
  constexpr uint32_t kTotal = 20'000;
  MemorySource source(kTotal, false, 16);
  Distributor distributor({{&source, 5}}, kWorkers, false);

  struct Seen {
    std::vector<uint64_t> ordinals;
    std::set<uint16_t> ports;
    bool interface_ok = true;
  };
  std::vector<Seen> seen(kWorkers);
  std::vector<std::thread> threads;
  for (unsigned w = 0; w < kWorkers; ++w) {
    threads.emplace_back([&, w] {
      for (;;) {
        const bool last = distributor.finished();
        const HandedBurst handed = distributor.next(w);
        if (handed.burst == nullptr) {
          if (last) return;
          std::this_thread::yield();
          continue;
        }
        for (uint32_t i = 0; i < handed.burst->count; ++i) {
          if (handed.burst->worker[i] != w) continue;
          seen[w].ordinals.push_back(handed.burst->packets[i].ordinal);
          seen[w].ports.insert(handed.burst->decoded[i].source_port);
          seen[w].interface_ok &= handed.burst->packets[i].interface_id == 5;
        }
        Distributor::done(handed);
      }
    });
  }
  REQUIRE(distributor.run());
  for (auto& thread : threads) thread.join();

  std::set<uint64_t> all;
  size_t ports = 0;
  for (unsigned w = 0; w < kWorkers; ++w) {
    CHECK(std::is_sorted(seen[w].ordinals.begin(), seen[w].ordinals.end()));
    CHECK(seen[w].interface_ok);
    CHECK(distributor.account(w).handed == seen[w].ordinals.size());
    CHECK(distributor.account(w).dropped == 0);
    all.insert(seen[w].ordinals.begin(), seen[w].ordinals.end());
    ports += seen[w].ports.size();
  }
  CHECK(all.size() == kTotal);
  CHECK(*all.rbegin() == kTotal - 1);
  CHECK(ports == 50);  // no flow was seen by two workers
  CHECK(source.all_returned());
}

TEST_CASE("a live source never waits for a worker that does not keep up: what it cannot take is counted") {
  constexpr uint32_t kTotal = 70'000;
  MemorySource source(kTotal, true, 4096);
  Distributor distributor({{&source, 0}}, 2, true);
  std::thread run([&] { REQUIRE(distributor.run()); });
  // Nobody takes anything until the distributor is through.
  run.join();
  uint64_t handed = 0, dropped = 0, taken = 0;
  for (unsigned w = 0; w < 2; ++w) {
    handed += distributor.account(w).handed;
    dropped += distributor.account(w).dropped;
    while (true) {
      const HandedBurst burst = distributor.next(w);
      if (burst.burst == nullptr) break;
      for (uint32_t i = 0; i < burst.burst->count; ++i) taken += burst.burst->worker[i] == w;
      Distributor::done(burst);
    }
  }
  CHECK(handed + dropped == kTotal);
  CHECK(dropped > 0);
  CHECK(taken == handed);
  CHECK(source.all_returned());
}

TEST_CASE("a published account is read whole, never half") {
  PublishedAccount published;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    WorkerAccount account;
    while (!stop) {
      ++account[Counter::kReceived];
      account[Counter::kStored] = account[Counter::kReceived];
      account[Counter::kEncryptedBytes] = account[Counter::kReceived];
      published.publish(account, INT64_MIN);
    }
  });
  uint64_t last = 0;
  for (int i = 0; i < 20'000; ++i) {
    const WorkerAccount account = published.read();
    REQUIRE(account[Counter::kStored] == account[Counter::kReceived]);
    REQUIRE(account[Counter::kEncryptedBytes] == account[Counter::kReceived]);
    REQUIRE(account[Counter::kReceived] >= last);
    last = account[Counter::kReceived];
  }
  stop = true;
  writer.join();
}

TEST_CASE("a queue between two threads loses and repeats nothing") {
  SpscQueue<uint64_t> queue(64);
  constexpr uint64_t kTotal = 100'000;
  std::thread producer([&] {
    for (uint64_t i = 1; i <= kTotal;) {
      if (queue.push(i)) ++i;
    }
  });
  for (uint64_t expected = 1; expected <= kTotal;) {
    const auto value = queue.pop();
    if (!value) continue;
    if (*value != expected) FAIL("expected " << expected << ", got " << *value);
    ++expected;
  }
  producer.join();
  CHECK_FALSE(queue.pop());
}
