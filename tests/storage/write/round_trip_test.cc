// All that goes into a store comes out of it: every byte, time and order, whole or by query.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

void require_all(const std::vector<QueryPacket>& written, const std::vector<HeldPacket>& read) {
  REQUIRE(read.size() == written.size());
  for (size_t i = 0; i < written.size(); i++) {
    INFO("packet " << i);
    REQUIRE(read[i].ordinal == i);
    REQUIRE(same(read[i].packet, written[i]));
    REQUIRE(read[i].retention == retention_of(written[i]));
  }
}

}  // namespace

TEST_CASE("a store gives back every packet, byte for byte and in order", "[store]") {
  const auto seed = GENERATE(1u, 2u, 3u);
  const auto frame_packets = GENERATE(size_t{0}, size_t{7});
  TemporaryDirectory directory;
  const auto packets = store_traffic(seed, 600);
  write_store(small_store(directory.path("store")), packets, frame_packets);
  require_all(packets, read_packets(directory.path("store")));
}

TEST_CASE("without memory for references a store works all the same", "[store]") {
  TemporaryDirectory directory;
  const auto packets = store_traffic(4, 500);
  StoreOptions options = small_store(directory.path("store"));
  options.reference_memory_bytes = 0;
  write_store(options, packets);
  require_all(packets, read_packets(directory.path("store")));
}

TEST_CASE("references reach across frames, not across segments, and wrap around their memory", "[store]") {
  TemporaryDirectory directory;
  const auto packets = repeating_traffic(5, 40000);  // some 45 MB
  StoreOptions options = small_store(directory.path("store"));
  options.reference_memory_bytes = 24 << 20;
  options.segment_raw_bytes_max = GENERATE(uint64_t{16} << 20, uint64_t{1} << 30);
  write_store(options, packets);
  const auto segments = segment_paths(directory.path("store"));
  CHECK(segments.size() >= (options.segment_raw_bytes_max < (1 << 30) ? 3 : 1));
  require_all(packets, read_packets(directory.path("store")));
  uint64_t raw = 0, stored = 0;
  for (const auto& p : packets) raw += p.bytes.size();
  for (const auto& path : segments) stored += read_file(path).size();
  CHECK(stored < raw / 8);  // twelve bodies
}

TEST_CASE("in what is encrypted no repeats are looked for, and it comes back all the same", "[store]") {
  const auto packets = repeating_traffic(12, 4000);
  uint64_t stored[2] = {0, 0};
  for (const bool encrypted : {false, true}) {
    TemporaryDirectory directory;
    auto store = Store::open(small_store(directory.path("store")), false);
    REQUIRE(store);
    DecodedPacket decoded;
    for (size_t i = 0; i < packets.size(); i++) {
      const Packet packet = packet_of(packets[i], i);
      decode(packet, decoded);
      const PacketContext context{packets[i].flow_id, RetentionClass::kFull, encrypted && packets[i].flow_id % 2 == 0};
      (*store)->worker(0).add(packet, decoded, context);
    }
    (*store)->worker(0).flush();
    REQUIRE((*store)->close());
    const auto read = read_packets(directory.path("store"));
    REQUIRE(read.size() == packets.size());
    for (size_t i = 0; i < read.size(); i++) REQUIRE(same(read[i].packet, packets[i]));
    for (const auto& path : segment_paths(directory.path("store"))) stored[encrypted] += read_file(path).size();
  }
  CHECK(stored[true] > stored[false]);
}

TEST_CASE("workers that share ordinals are merged exactly, others by time", "[store]") {
  TemporaryDirectory directory;
  auto packets = store_traffic(6, 900);
  StoreOptions options = small_store(directory.path("store"));
  options.workers = 3;
  options.shared_ordinals = true;
  write_store(options, packets, 20);
  require_all(packets, read_packets(directory.path("store")));

  TemporaryDirectory apart;
  options = small_store(apart.path("store"));
  options.workers = 2;
  for (size_t i = 0; i < packets.size(); i++) packets[i].timestamp_ns = static_cast<int64_t>(i) * 1000;
  write_store(options, packets, 50);
  require_all(packets, read_packets(apart.path("store")));
}

TEST_CASE("runs follow one another, and segments their predecessors", "[store]") {
  TemporaryDirectory directory;
  const auto first = store_traffic(7, 200), second = store_traffic(8, 200);
  write_store(small_store(directory.path("store")), first, 50);
  write_store(small_store(directory.path("store")), second, 50);
  const auto read = read_packets(directory.path("store"));
  REQUIRE(read.size() == first.size() + second.size());
  for (size_t i = 0; i < read.size(); i++) {
    REQUIRE(same(read[i].packet, i < first.size() ? first[i] : second[i - first.size()]));
  }
}

TEST_CASE("each run's packets keep the names of their own interfaces", "[store]") {
  TemporaryDirectory directory;
  const auto packets = store_traffic(11, 60);
  const StoreInterface eth0{"eth0", LinkType::kEthernet, 262144}, eth1{"eth1", LinkType::kEthernet, 262144},
      cut{"eth1", LinkType::kEthernet, 96};
  const std::vector<std::vector<StoreInterface>> runs = {{eth0, eth1}, {eth1, eth0}, {cut, eth0}};
  for (const auto& interfaces : runs) {
    StoreOptions options = small_store(directory.path("store"));
    options.interfaces = interfaces;
    write_store(options, packets);
  }
  auto reader = StoreReader::open({directory.path("store")});
  REQUIRE(reader);
  const auto summary = (*reader)->summary();
  REQUIRE(summary);
  CHECK(summary->interfaces == std::vector<StoreInterface>{eth0, eth1, cut});
  size_t read = 0;
  const auto done = (*reader)->packets({}, [&](const StoredPacket& stored) {
    const auto& expected = runs[read / packets.size()][packets[read % packets.size()].interface_id];
    REQUIRE(stored.packet.interface_id < summary->interfaces.size());
    REQUIRE(summary->interfaces[stored.packet.interface_id] == expected);
    ++read;
    return true;
  });
  REQUIRE(done);
  CHECK(read == runs.size() * packets.size());
}

TEST_CASE("a time range is exact though time steps back", "[store]") {
  TemporaryDirectory directory;
  const auto packets = store_traffic(9, 800);
  write_store(small_store(directory.path("store")), packets, 16);
  std::vector<int64_t> times;
  for (const auto& p : packets) times.push_back(p.timestamp_ns);
  std::sort(times.begin(), times.end());
  std::mt19937 random(9);
  for (int round = 0; round < 20; round++) {
    StoreQuery query;
    query.since_ns = times[random() % times.size()];
    query.until_ns = *query.since_ns + static_cast<int64_t>(random() % 50'000'000);
    std::vector<uint64_t> expected, found;
    for (size_t i = 0; i < packets.size(); i++) {
      if (packets[i].timestamp_ns >= *query.since_ns && packets[i].timestamp_ns < *query.until_ns)
        expected.push_back(i);
    }
    ReadStatistics statistics;
    for (const auto& p : read_packets(directory.path("store"), query, statistics)) found.push_back(p.ordinal);
    REQUIRE(found == expected);
    CHECK(statistics.frames_read < statistics.frames);
  }
}

TEST_CASE("the index leaves out nothing that could match, and reads little", "[store]") {
  TemporaryDirectory directory;
  const auto packets = store_traffic(10, 1000);
  const bool sealed = GENERATE(true, false);
  auto store = Store::open(small_store(directory.path("store")), false);
  REQUIRE(store);
  write_packets(**store, packets, 1, 8);
  REQUIRE((*store)->settle());
  if (sealed) REQUIRE((*store)->close());

  std::mt19937 random(10);
  DecodedPacket decoded;
  for (int round = 0; round < 150; round++) {
    IndexTerm term;
    const QueryPacket& like = packets[random() % packets.size()];
    decode(packet_of(like, 0), decoded);
    if (decoded.ip_version == 0) continue;  // its addresses are nobody's
    const Endpoints endpoints{decoded.source, decoded.destination, decoded.source_port, decoded.destination_port,
                              decoded.protocol};
    switch (random() % 6) {
      case 0:
        term.host = IpPrefix{decoded.source, 128};
        break;
      case 1:
        term.host = IpPrefix::parse("10.0.0.0/30").value();
        break;
      case 2:
        term.port = decoded.destination_port;
        break;
      case 3:
        term.connection = endpoints;
        break;
      case 4:
        term.flow_id = like.flow_id;
        break;
      default:
        term.protocol = decoded.protocol;
        term.port = decoded.source_port;
    }
    StoreQuery query;
    query.index.all_of = {{term}};
    if (random() % 3 == 0) query.index.all_of.push_back({port_term(80), host_term(decoded.destination)});
    ReadStatistics statistics;
    std::map<uint64_t, HeldPacket> found;
    for (auto& p : read_packets(directory.path("store"), query, statistics)) found.emplace(p.ordinal, std::move(p));
    REQUIRE(statistics.frames_damaged == 0);
    for (size_t i = 0; i < packets.size(); i++) {
      decode(packet_of(packets[i], i), decoded);
      if (!satisfies(query.index, packet_of(packets[i], i), decoded, packets[i].flow_id)) continue;
      INFO("seed 10, round " << round << ", packet " << i);
      const auto there = found.find(i);
      REQUIRE(there != found.end());
      REQUIRE(same(there->second.packet, packets[i]));
    }
  }
  if (!sealed) REQUIRE((*store)->close());
}

TEST_CASE("one connection is read without reading the rest", "[store]") {
  TemporaryDirectory directory;
  auto packets = repeating_traffic(11, 20000);
  PacketBytes lonely = tcp("192.0.2.1", 5000, "10.9.0.100", 80, {1, 1, kTcpAck, "just this once"});
  packets[12345].bytes = lonely.bytes();
  packets[12345].wire_length = static_cast<uint32_t>(lonely.bytes().size());
  packets[12345].flow_id = 777;
  write_store(small_store(directory.path("store")), packets);
  StoreQuery query;
  query.index.all_of = {{host_term(IpAddress::parse("192.0.2.1").value())}};
  ReadStatistics statistics;
  const auto found = read_packets(directory.path("store"), query, statistics);
  REQUIRE(found.size() == 1);
  CHECK(same(found[0].packet, packets[12345]));
  CHECK(statistics.frames_read == 1);
  CHECK(statistics.frames > 10);
}

TEST_CASE("a visitor may stop", "[store]") {
  TemporaryDirectory directory;
  write_store(small_store(directory.path("store")), store_traffic(12, 100));
  auto reader = StoreReader::open({directory.path("store")});
  int visited = 0;
  auto read = (*reader)->packets({}, [&](const StoredPacket&) { return ++visited < 10; });
  REQUIRE(read);
  CHECK(visited == 10);
}

TEST_CASE("records lie beside the packets", "[store]") {
  TemporaryDirectory directory;
  auto store = Store::open(small_store(directory.path("store")), false);
  REQUIRE(store);
  for (int i = 0; i < 5000; i++) {
    RecordBatch batch;
    FlowRecord flow;
    flow.flow_id = static_cast<uint64_t>(i);
    flow.first_timestamp_ns = i * 1000;
    flow.last_timestamp_ns = i * 1000 + 5000;
    batch.append(flow);
    batch.append(EventRecord{i * 1000, "test.event", std::string(100, 'x')});
    REQUIRE((*store)->records().write(batch));
  }
  REQUIRE((*store)->close());
  auto reader = StoreReader::open({directory.path("store")});
  int flows = 0, events = 0;
  auto read = (*reader)->records({1'000'000, 2'000'000, kAllRecordTypes}, [&](const Record& record) {
    flows += std::holds_alternative<FlowRecord>(record);
    events += std::holds_alternative<EventRecord>(record);
    return true;
  });
  REQUIRE(read);
  CHECK(read->frames_damaged == 0);
  CHECK(events == 1000);
  CHECK(flows == 1005);  // those that began before and still went on
}

TEST_CASE("records of one type are read without the others", "[store]") {
  TemporaryDirectory directory;
  auto store = Store::open(small_store(directory.path("store")), false);
  REQUIRE(store);
  for (int i = 0; i < 3000; i++) {
    RecordBatch batch;
    HttpRecord http;
    http.timestamp_ns = i;
    const std::string uri = "/" + std::string(200, 'u') + std::to_string(i);
    http.uri = uri;
    batch.append(http);
    FlowRecord flow;
    flow.flow_id = static_cast<uint64_t>(i);
    batch.append(flow);
    if (i % 10 == 0) {
      AlertRecord alert;
      alert.sid = static_cast<uint32_t>(i);
      batch.append(alert);
      batch.append(AccountRecord{});
    }
    REQUIRE((*store)->records().write(batch));
  }
  REQUIRE((*store)->close());
  auto reader = StoreReader::open({directory.path("store")});
  REQUIRE(reader);
  uint64_t frames_read = 0;
  const auto read = [&](RecordTypes types) {
    std::vector<Record> found;
    uint64_t next = 0;
    auto done = (*reader)->records({{}, {}, types}, [&](const Record& record) {
      if (const auto* flow = std::get_if<FlowRecord>(&record)) CHECK(flow->flow_id == next++);
      found.push_back(record);
      return true;
    });
    REQUIRE(done);
    frames_read = done->frames_read;
    return found;
  };
  CHECK(read(kAllRecordTypes).size() == 6600);
  const uint64_t all = frames_read;
  CHECK(read(record_types<FlowRecord>()).size() == 3000);
  CHECK(read(record_types<AccountRecord>()).size() == 300);
  CHECK(frames_read < all);
  CHECK(read(record_types<AlertRecord>()).size() == 300);
  CHECK(frames_read == 1);
  CHECK(read(record_types<AlertRecord, HttpRecord>()).size() == 3300);
  CHECK(read(0).empty());
  CHECK(frames_read == 0);
}

TEST_CASE("the sample capture comes back whole", "[store]") {
  const std::string sample = sample_capture();
  if (sample.empty()) {
    WARN("skipped: no sample capture");
    return;
  }
  auto packets = read_capture(sample);
  for (auto& p : packets) {
    DecodedPacket decoded;
    decode(packet_of(p, 0), decoded);
    p.flow_id = uint64_t{decoded.flow_hash} * 8 + 7;
  }
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.reference_memory_bytes = 256 << 20;
  write_store(options, packets);
  require_all(packets, read_packets(directory.path("store")));
}
