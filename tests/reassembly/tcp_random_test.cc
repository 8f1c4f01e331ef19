// Random segmentations, orders, retransmissions and losses, against reassemblers too simple to be wrong. Prints its
// seed.
#include <catch2/catch.hpp>
#include <optional>
#include <random>

#include "tests/reassembly/tcp_connection_fixture.h"

using namespace gatetape;
using gatetape::test::TcpFixture;

namespace {

constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  size_t below(size_t n) { return static_cast<size_t>(engine_() % n); }
  bool one_in(size_t n) { return below(n) == 0; }

 private:
  std::mt19937 engine_;
};

uint32_t new_seed() {
  return std::random_device{}();
}

std::string random_bytes(Random& random, size_t size) {
  std::string bytes(size, ' ');
  for (char& c : bytes) c = static_cast<char>('a' + random.below(26));
  return bytes;
}

struct Piece {
  size_t offset;
  std::string bytes;
};

// The stream cut into pieces; some twice, some larger than they were, each up to `disorder` places from where it
// belongs.
std::vector<Piece> cut(Random& random, const std::string& stream, size_t disorder) {
  std::vector<std::pair<size_t, Piece>> placed;
  for (size_t at = 0, place = 0; at < stream.size(); ++place) {
    const size_t length = std::min(1 + random.below(40), stream.size() - at);
    placed.push_back({place + random.below(disorder), {at, stream.substr(at, length)}});
    if (random.one_in(5)) {
      const size_t back = std::min(at, random.below(60));
      placed.push_back({place + random.below(disorder), {at - back, stream.substr(at - back, 1 + random.below(100))}});
    }
    at += length;
  }
  std::stable_sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Piece> pieces;
  for (auto& [place, piece] : placed) pieces.push_back(std::move(piece));
  return pieces;
}

// A reassembler that keeps every byte on its own.
class NaiveStream {
 public:
  NaiveStream(size_t size, OverlapPolicy policy) : bytes_(size), policy_(policy) {}
  void add(const Piece& piece) {
    for (size_t i = 0; i < piece.bytes.size(); ++i) {
      std::optional<char>& byte = bytes_[piece.offset + i];
      if (piece.offset + i < next_ || (byte && policy_ == OverlapPolicy::kFirst)) continue;
      byte = piece.bytes[i];
    }
    while (next_ < bytes_.size() && bytes_[next_]) delivered_ += *bytes_[next_++];
  }
  const std::string& delivered() const { return delivered_; }

 private:
  std::vector<std::optional<char>> bytes_;
  OverlapPolicy policy_;
  size_t next_ = 0;
  std::string delivered_;
};

}  // namespace

TEST_CASE("random segments, some contradicting others, against a naive reassembler", "[tcp][random]") {
  const uint32_t seed = new_seed();
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    INFO("seed " << seed << " round " << round);
    TcpOptions options;
    options.overlap_policy = random.one_in(2) ? OverlapPolicy::kFirst : OverlapPolicy::kLast;
    TcpFixture t(options, static_cast<uint32_t>(-random.below(3000)), 1);
    t.handshake();
    const std::string stream = random_bytes(random, 1 + random.below(3000));
    NaiveStream naive(stream.size(), options.overlap_policy);
    for (Piece& piece : cut(random, stream, 1 + random.below(30))) {
      if (random.one_in(4)) piece.bytes = random_bytes(random, piece.bytes.size());
      t.data(kClient, static_cast<int64_t>(piece.offset), piece.bytes);
      naive.add(piece);
      REQUIRE(t.log(kClient) == naive.delivered());
    }
    REQUIRE(t.reassembler.counters().gaps == 0);
    REQUIRE(t.reassembler.pool().bytes_in_use() == 0);
  }
}

TEST_CASE("random losses before the sensor: what was seen is delivered, the rest are gaps", "[tcp][random]") {
  const uint32_t seed = new_seed();
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    INFO("seed " << seed << " round " << round);
    TcpOptions options;
    options.reorder_patience_ns = random.one_in(2) ? INT64_MAX : 0;
    TcpFixture t(options, static_cast<uint32_t>(-random.below(3000)), 1);
    t.handshake();
    const std::string stream = random_bytes(random, 1 + random.below(3000));
    // The receiver gets every piece, in this order; the sensor not all of them.
    NaiveStream receiver(stream.size(), OverlapPolicy::kFirst);
    std::vector<bool> seen(stream.size());
    for (const Piece& piece : cut(random, stream, 1 + random.below(10))) {
      receiver.add(piece);
      if (!random.one_in(6)) {
        t.data(kClient, static_cast<int64_t>(piece.offset), piece.bytes);
        std::fill_n(seen.begin() + static_cast<ptrdiff_t>(piece.offset), piece.bytes.size(), true);
      }
      t.acknowledge(kServer, static_cast<int64_t>(receiver.delivered().size()));
    }
    t.send(kClient, kTcpAck | kTcpFin, static_cast<int64_t>(stream.size()), "");
    t.acknowledge(kServer, static_cast<int64_t>(stream.size()) + 1);
    t.finish();
    const std::string& delivered = t.sink.bytes[0];
    REQUIRE(delivered.size() == stream.size());
    REQUIRE(t.sink.ended[0]);
    for (size_t i = 0; i < stream.size(); ++i) {
      // With no patience, what the sensor saw late may be missing; nothing may be wrong.
      if (delivered[i] == '\0') {
        REQUIRE((options.reorder_patience_ns == 0 || !seen[i]));
      } else {
        REQUIRE(seen[i]);
        REQUIRE(delivered[i] == stream[i]);
      }
    }
    const auto& counters = t.reassembler.counters();
    REQUIRE(counters.gap_bytes == static_cast<uint64_t>(std::count(delivered.begin(), delivered.end(), '\0')));
    REQUIRE(counters.gap_bytes == counters.acknowledged_unseen_bytes);
    REQUIRE(t.reassembler.pool().bytes_in_use() == 0);
  }
}

TEST_CASE("random nonsense in both directions breaks no rule of the sink", "[tcp][random]") {
  const uint32_t seed = new_seed();
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    INFO("seed " << seed << " round " << round);
    TcpOptions options;
    options.reorder_patience_ns = static_cast<int64_t>(random.below(3)) * 1'000'000;
    options.midstream = !random.one_in(4);
    options.reorder.stream_bytes_max = 16 * ReorderPool::kChunkBytes;
    TcpFixture t(options, 0xffffff00u, 0x7fffff00u);
    for (int i = 0; i < 300; ++i) {
      const Direction direction = random.one_in(2) ? kClient : kServer;
      const uint8_t rare = random.one_in(20) ? static_cast<uint8_t>(random.below(256)) : uint8_t{0};
      const int64_t far = random.one_in(30) ? static_cast<int64_t>(random.below(1u << 31)) : 0;
      t.send(direction, kTcpAck | rare, static_cast<int64_t>(random.below(5000)) + far,
             random_bytes(random, random.below(3000)), static_cast<int64_t>(random.below(6000)) + far);
      t.now_ns += static_cast<int64_t>(random.below(1'000'000));
      REQUIRE(t.reassembler.pool().bytes_in_use() <= 2 * options.reorder.stream_bytes_max);
    }
    t.finish();
    t.finish();
    REQUIRE(t.reassembler.pool().bytes_in_use() == 0);
    REQUIRE(t.reassembler.pool().buffers_in_use() == 0);
  }
}
