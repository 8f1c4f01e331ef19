// A run whose seed and clock are given can be repeated, byte for byte.
#include <catch2/catch.hpp>
#include <map>

#include "tests/storage/store_support.h"
#include "tests/support/turned_clock.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

using Files = std::map<std::string, std::vector<uint8_t>>;  // by name

Files stored(StoreOptions options, const std::vector<QueryPacket>& packets) {
  TemporaryDirectory directory;
  options.directories = {directory.path("store")};
  write_store(options, packets, 500);
  Files files;
  for (const auto& path : segment_paths(directory.path("store"))) files[path.substr(path.rfind('/'))] = read_file(path);
  return files;
}

uint64_t total_bytes(const Files& files) {
  uint64_t bytes = 0;
  for (const auto& [name, content] : files) bytes += content.size();
  return bytes;
}

}  // namespace

TEST_CASE("with the same seed and clock the same bytes are stored", "[store]") {
  TurnedClock clock;
  StoreOptions options = small_store("");
  options.clock = &clock;
  options.seed = 7;
  const auto packets = repeating_traffic(60, 3000);
  const Files files = stored(options, packets);
  REQUIRE(!files.empty());
  CHECK(stored(options, packets) == files);
  options.seed = 8;
  CHECK(stored(options, packets) != files);
  options.seed = 7;
  clock.turn(1);
  CHECK(stored(options, packets) != files);  // the segments say when they were made
}

TEST_CASE("a fixed anchor seed fixes where repeats are found, not who a segment is", "[store]") {
  TurnedClock clock;
  StoreOptions options = small_store("");
  options.clock = &clock;
  options.anchor_seed = 1;
  const auto packets = repeating_traffic(61, 3000);
  const Files files = stored(options, packets);
  const Files again = stored(options, packets);
  CHECK(again != files);  // other uuids
  CHECK(total_bytes(again) == total_bytes(files));
}
