// The flow table against a std::unordered_map, and its limits.
#include "reassembly/flow_table.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <unordered_map>

using namespace gatetape;

namespace {

struct State {
  uint64_t payload = 0;
  int* live = nullptr;
  ~State() {
    if (live != nullptr) --*live;
  }
};
using Table = FlowTable<State>;
using Entry = Flow<State>;

constexpr int64_t kSecond = 1'000'000'000;

FlowKey key_of(uint32_t n, uint32_t protocol = kProtocolTcp) {
  FlowKey key;
  std::memcpy(key.low_address.bytes.data() + 12, &n, 4);
  key.low_port = 80;
  key.protocol = protocol;
  return key;
}

Packet packet_at(int64_t time_ns, uint64_t ordinal = 0) {
  Packet packet;
  packet.timestamp_ns = time_ns;
  packet.ordinal = ordinal;
  packet.wire_length = 100;
  return packet;
}

const auto kIgnoreEnd = [](Entry&, FlowEnd) {};

Entry* create(Table& table, const FlowKey& key, int64_t time_ns) {
  bool created = false;
  Entry* flow = table.find_or_create(key, table.hash(key), packet_at(time_ns), created, kIgnoreEnd);
  REQUIRE(created);
  return flow;
}

}  // namespace

TEST_CASE("the flow table finds what a map finds", "[flow]") {
  const uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  FlowTableOptions options;
  options.flows_max = 500;
  options.hash_seed = seed;
  Table table(options);
  std::unordered_map<uint32_t, uint64_t> model;  // key number -> flow id
  std::map<uint64_t, uint32_t> key_of_flow;
  int live = 0;
  const auto on_end = [&](Entry& flow, FlowEnd) {
    const auto found = key_of_flow.find(flow.flow_id);
    REQUIRE(found != key_of_flow.end());
    REQUIRE(flow.key == key_of(found->second));
    REQUIRE(model.erase(found->second) == 1);
    key_of_flow.erase(found);
  };
  int64_t now = 0;
  for (int step = 0; step < 100'000; ++step) {
    const uint32_t number = static_cast<uint32_t>(random() % 1500);
    const FlowKey key = key_of(number);
    const uint64_t hash = table.hash(key);
    switch (random() % 8) {
      case 0:
        if (Entry* flow = table.find(key, hash)) table.end(*flow, FlowEnd::kClosed, on_end);
        REQUIRE(model.count(number) == 0);
        break;
      case 1:
        if (Entry* flow = table.find(key, hash)) table.set_class(*flow, FlowClass::kTcpEstablished);
        break;
      case 2:
        if (Entry* flow = table.find(key, hash)) table.close(*flow, FlowEnd::kReset);
        break;
      case 3:
        now += static_cast<int64_t>(random() % 100) * 1'000'000 - 20'000'000;  // may step back
        table.expire(now, 3, on_end);
        break;
      default: {
        bool created = false;
        Entry* flow = table.find_or_create(key, hash, packet_at(now), created, on_end);
        REQUIRE(created == (model.count(number) == 0));
        if (created) {
          flow->state.live = &live;
          ++live;
          REQUIRE(model.emplace(number, flow->flow_id).second);
          REQUIRE(key_of_flow.emplace(flow->flow_id, number).second);  // ids are unique
        }
        REQUIRE(flow->flow_id == model[number]);
        table.touch(*flow, packet_at(now), Direction::kToServer);
      }
    }
    REQUIRE(table.size() == model.size());
    REQUIRE(live == static_cast<int>(model.size()));
    REQUIRE(table.size() <= options.flows_max);
  }
  table.drain(on_end);
  REQUIRE(model.empty());
  REQUIRE(live == 0);
}

TEST_CASE("a flow table filled to its last place keeps every flow", "[flow]") {
  FlowTableOptions options;
  options.flows_max = 20'000;
  Table table(options);
  for (uint32_t n = 0; n < options.flows_max; ++n) create(table, key_of(n), 0);
  for (uint32_t n = 0; n < options.flows_max; ++n) REQUIRE(table.find(key_of(n), table.hash(key_of(n))) != nullptr);
  REQUIRE(table.counters().evicted == 0);
}

TEST_CASE("a flow ends after its class's timeout", "[flow]") {
  struct Case {
    FlowClass flow_class;
    int64_t timeout_s;
    FlowEnd end;
  };
  const Case cases[] = {{FlowClass::kTcpNew, 60, FlowEnd::kTimeout},
                        {FlowClass::kTcpEstablished, 600, FlowEnd::kTimeout},
                        {FlowClass::kUdp, 30, FlowEnd::kTimeout},
                        {FlowClass::kOther, 30, FlowEnd::kTimeout},
                        {FlowClass::kTcpClosed, 5, FlowEnd::kReset}};
  for (const Case& c : cases) {
    INFO("class " << static_cast<int>(c.flow_class));
    Table table({});
    Entry* flow = create(table, key_of(1), 0);
    flow->close_cause = FlowEnd::kReset;
    table.set_class(*flow, c.flow_class);
    int ends = 0;
    const auto on_end = [&](Entry&, FlowEnd end) {
      ++ends;
      REQUIRE(end == c.end);
    };
    // Kept alive by packets for three timeouts, then left alone.
    const int64_t last = 3 * c.timeout_s * kSecond;
    for (int64_t t = 0; t <= last; t += kSecond) {
      table.touch(*flow, packet_at(t), Direction::kToServer);
      REQUIRE(table.expire(t, 10, on_end) == 0);
    }
    REQUIRE(table.expire(last + c.timeout_s * kSecond - 1, 10, on_end) == 0);
    REQUIRE(table.expire(last + c.timeout_s * kSecond * 9 / 8 + kSecond, 10, on_end) == 1);
    REQUIRE(ends == 1);
  }
}

TEST_CASE("expire does bounded work and goes on later", "[flow]") {
  Table table({});
  for (uint32_t n = 0; n < 100; ++n) create(table, key_of(n), 0);
  REQUIRE(table.expire(100 * kSecond, 30, kIgnoreEnd) == 30);
  REQUIRE(table.expire(100 * kSecond, 1000, kIgnoreEnd) == 70);
  REQUIRE(table.counters().expired == 100);
}

TEST_CASE("a flood of new connections does not evict established ones", "[flow]") {
  FlowTableOptions options;
  options.flows_max = 1000;
  Table table(options);
  for (uint32_t n = 0; n < 900; ++n) table.set_class(*create(table, key_of(n), 0), FlowClass::kTcpEstablished);
  uint64_t evicted_established = 0;
  const auto on_end = [&](Entry& flow, FlowEnd end) {
    REQUIRE(end == FlowEnd::kEvicted);
    evicted_established += flow.flow_class == FlowClass::kTcpEstablished;
  };
  for (uint32_t n = 1000; n < 50'000; ++n) {
    bool created = false;
    const FlowKey key = key_of(n);
    table.find_or_create(key, table.hash(key), packet_at(n), created, on_end);
    REQUIRE(table.size() <= 1000);
  }
  REQUIRE(evicted_established == 0);
  REQUIRE(table.counters().evicted == 49'000 - 100);
}

TEST_CASE("a table full of established flows lets new ones finish their handshake", "[flow]") {
  FlowTableOptions options;
  options.flows_max = 1000;
  Table table(options);
  for (uint32_t n = 0; n < 1000; ++n) table.set_class(*create(table, key_of(n), n), FlowClass::kTcpEstablished);
  for (uint32_t n = 1000; n < 1020; ++n) create(table, key_of(n), n);
  for (uint32_t n = 1000; n < 1020; ++n) REQUIRE(table.find(key_of(n), table.hash(key_of(n))) != nullptr);
  // The oldest established ones made room.
  for (uint32_t n = 0; n < 20; ++n) REQUIRE(table.find(key_of(n), table.hash(key_of(n))) == nullptr);
  REQUIRE(table.find(key_of(20), table.hash(key_of(20))) != nullptr);
}

TEST_CASE("flow ids differ between workers and runs, and fit a JSON number", "[flow]") {
  FlowTableOptions options;
  options.start_ns = 1'795'214'906 * kSecond;
  options.worker = 255;
  Table one(options);
  options.worker = 3;
  Table two(options);
  options.start_ns += kSecond;
  Table later(options);
  const uint64_t a = create(one, key_of(1), 0)->flow_id;
  const uint64_t b = create(two, key_of(1), 0)->flow_id;
  const uint64_t c = create(later, key_of(1), 0)->flow_id;
  REQUIRE(a != b);
  REQUIRE(b != c);
  for (const uint64_t id : {a, b, c}) {
    REQUIRE(id != 0);
    REQUIRE(id < (uint64_t{1} << 53));
  }
}

TEST_CASE("a flow counts its packets by direction", "[flow]") {
  Table table({});
  Entry* flow = create(table, key_of(1), 50);
  table.touch(*flow, packet_at(50, 7), Direction::kToServer);
  table.touch(*flow, packet_at(70, 8), Direction::kToClient);
  table.touch(*flow, packet_at(60, 9), Direction::kToClient);
  table.touch(*flow, packet_at(40, 10), Direction::kToServer);
  REQUIRE(flow->packets[0] == 2);
  REQUIRE(flow->packets[1] == 2);
  REQUIRE(flow->bytes[1] == 200);
  REQUIRE(flow->first_timestamp_ns == 40);
  REQUIRE(flow->last_timestamp_ns == 70);
  REQUIRE(flow->last_ordinal == 10);
}
