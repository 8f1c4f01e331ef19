// Which segments give way, where, and that nobody waits for their removal.
#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <thread>

#include "storage/write/ring.h"
#include "tests/support/simulated_files.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

using Operation = SimulatedFiles::Operation;

constexpr uint64_t kBytes = 1000;  // each segment has

class RingOfSmallFiles {
 public:
  explicit RingOfSmallFiles(std::vector<RingPart> parts) {
    for (const RingPart& part : parts) {
      for (const std::string& directory : part.directories) REQUIRE(files.make_directories(directory));
    }
    ring.emplace(files, std::move(parts));
  }

  void add(const std::string& directory, uint64_t sequence, int64_t first_ns, int64_t last_ns,
           SegmentKind kind = SegmentKind::kPackets) {
    Ring::Segment segment;
    segment.sequence = sequence;
    segment.path = directory + "/" + std::to_string(sequence);
    segment.bytes = kBytes;
    segment.kind = kind;
    segment.time_min_ns = first_ns;
    segment.time_max_ns = last_ns;
    REQUIRE(files.create(segment.path));
    ring->add_sealed(segment, 0);
  }

  std::vector<std::string> evicted() { return ring->take_evicted(); }

  SimulatedFiles files;
  std::optional<Ring> ring;
};

}  // namespace

TEST_CASE("the segment whose content is the oldest gives way, whenever it was begun", "[ring]") {
  RingOfSmallFiles store({{{"/a"}, 3 * kBytes}});
  store.add("/a", 1, 0, 900);  // long open, and still with new packets
  store.add("/a", 2, 100, 200);
  store.add("/a", 3, 200, 300);
  REQUIRE(store.ring->reserve("/a", kBytes));
  CHECK(store.evicted() == std::vector<std::string>{"/a/2"});
  REQUIRE(store.ring->reserve("/a", kBytes));
  CHECK(store.evicted() == std::vector<std::string>{"/a/3"});
}

TEST_CASE("records stay as long as packets of their time do, but fill no more than half", "[ring]") {
  RingOfSmallFiles store({{{"/a"}, 4 * kBytes}});
  store.add("/a", 1, 100, 200, SegmentKind::kRecords);
  store.add("/a", 2, 150, 350);
  store.add("/a", 3, 300, 400);
  store.add("/a", 4, 400, 500, SegmentKind::kRecords);
  REQUIRE(store.ring->reserve("/a", kBytes));
  CHECK(store.evicted() == std::vector<std::string>{"/a/2"});
  REQUIRE(store.ring->reserve("/a", kBytes));  // nothing is left that the first records are about
  CHECK(store.evicted() == std::vector<std::string>{"/a/1"});
  store.ring->note_open(9, 450);  // an open segment has packets, too
  REQUIRE(store.ring->reserve("/a", kBytes));
  CHECK(store.evicted() == std::vector<std::string>{"/a/3"});
  REQUIRE(store.ring->reserve("/a", kBytes));  // rather than that the store stands still
  CHECK(store.evicted() == std::vector<std::string>{"/a/4"});

  RingOfSmallFiles flooded({{{"/a"}, 4 * kBytes}});
  flooded.add("/a", 1, 100, 200);
  for (uint64_t i = 2; i < 5; i++) flooded.add("/a", i, 0, 100, SegmentKind::kRecords);
  REQUIRE(flooded.ring->reserve("/a", kBytes));
  CHECK(flooded.evicted() == std::vector<std::string>{"/a/2"});
}

TEST_CASE("packets that cannot be removed do not cost their records", "[ring]") {
  RingOfSmallFiles store({{{"/a"}, 3 * kBytes}});
  store.add("/a", 1, 100, 200, SegmentKind::kRecords);
  store.add("/a", 2, 100, 200);
  store.add("/a", 3, 150, 250);
  store.files.set_fault([](const SimulatedFiles::Call& call) {
    return SimulatedFiles::Outcome{call.operation == Operation::kRemove && call.path != "/a/1" ? EPERM : 0, 0};
  });
  CHECK_FALSE(store.ring->reserve("/a", kBytes));
  CHECK(store.evicted().empty());
  CHECK(store.ring->bytes() == 3 * kBytes);
  store.files.set_fault(nullptr);
  REQUIRE(store.ring->reserve("/a", kBytes));
  CHECK(store.evicted() == std::vector<std::string>{"/a/2"});
}

TEST_CASE("each part of a ring keeps its own size", "[ring]") {
  RingOfSmallFiles store({{{"/a"}, 2 * kBytes}, {{"/b", "/c"}, 3 * kBytes}});
  store.add("/a", 1, 0, 100);
  store.add("/b", 2, 0, 10);
  store.add("/c", 3, 0, 20);
  store.add("/a", 4, 0, 200);
  REQUIRE(store.ring->reserve("/a", kBytes));
  CHECK(store.evicted() == std::vector<std::string>{"/a/1"});
  REQUIRE(store.ring->reserve("/c", 2 * kBytes));
  CHECK(store.evicted() == std::vector<std::string>{"/b/2"});
}

TEST_CASE("a full disk takes from the oldest end, and leaves an eighth of what the store held", "[ring]") {
  RingOfSmallFiles store({{{"/a"}, 100 * kBytes}});
  for (uint64_t i = 0; i < 16; i++) store.add("/a", i, 0, static_cast<int64_t>(i));
  unsigned freed = 0;
  while (store.ring->make_room("/a", true)) freed++;
  CHECK(freed == 14);
  CHECK(store.ring->bytes() == 2 * kBytes);
}

TEST_CASE("while a removal hangs, others get the room that is there", "[ring]") {
  RingOfSmallFiles store({{{"/a"}, 64 * kBytes}});
  std::atomic<bool> hangs{true}, met{false};
  store.files.set_fault([&](const SimulatedFiles::Call& call) {
    if (call.operation == Operation::kRemove) {
      met = true;
      met.notify_all();
      hangs.wait(true);
    }
    return SimulatedFiles::Outcome{};
  });
  store.ring->start();
  for (uint64_t i = 0; i < 62; i++) store.add("/a", i, 0, static_cast<int64_t>(i));  // above the ring's own mark
  met.wait(false);
  REQUIRE(store.ring->reserve("/a", kBytes));  // would hang with it
  CHECK(store.ring->evicted() == 0);
  CHECK_FALSE(store.ring->pin(0, {}, true));  // it is on its way
  hangs = false;
  hangs.notify_all();
  for (int i = 0; i < 10; i++) REQUIRE(store.ring->reserve("/a", kBytes));
  CHECK(store.ring->evicted() > 0);
  store.ring->stop();
}
