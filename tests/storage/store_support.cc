#include "tests/storage/store_support.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace gatetape::test {
namespace {

std::string body_of(uint32_t number) {
  std::mt19937 random(number);
  std::string body;
  const size_t size = 300 + random() % 9000;
  while (body.size() < size) {
    body += random() % 3 == 0 ? "the same words again and again, " : std::to_string(random());
  }
  return body;
}

struct Conversation {
  std::string client;
  uint16_t port;
  uint32_t client_sequence, server_sequence;
  uint64_t flow_id;
};

void add_packet(std::vector<QueryPacket>& out, const PacketBytes& built, int64_t time_ns, uint64_t flow_id) {
  QueryPacket packet;
  packet.bytes = built.bytes();
  packet.wire_length = static_cast<uint32_t>(packet.bytes.size());
  packet.timestamp_ns = time_ns;
  packet.flow_id = flow_id;
  out.push_back(std::move(packet));
}

}  // namespace

std::vector<QueryPacket> repeating_traffic(uint32_t seed, size_t count) {
  std::mt19937 random(seed);
  std::vector<Conversation> conversations;
  for (uint16_t i = 0; i < 5; i++) {
    conversations.push_back({"10.0.0." + std::to_string(i + 1), static_cast<uint16_t>(40000 + i),
                             static_cast<uint32_t>(random()), static_cast<uint32_t>(random()), seed * 100ull + i});
  }
  std::vector<QueryPacket> packets;
  int64_t time = 1'700'000'000'000'000'000;
  while (packets.size() < count) {
    Conversation& c = conversations[random() % conversations.size()];
    const std::string request =
        "GET /item?id=" + std::to_string(random() % 1000) + " HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
    add_packet(
        packets,
        tcp(c.client, c.port, "10.9.0.100", 80, {c.client_sequence, c.server_sequence, kTcpAck | kTcpPsh, request}),
        time += 1000, c.flow_id);
    c.client_sequence += static_cast<uint32_t>(request.size());
    std::string response = "HTTP/1.1 200 OK\r\nX-Time: " + std::string(random() % 12, 'x') + "\r\n\r\n" +
                           body_of(static_cast<uint32_t>(random() % 12));
    for (size_t at = 0; at < response.size(); at += 1448) {
      const std::string piece = response.substr(at, 1448);
      add_packet(packets,
                 tcp("10.9.0.100", 80, c.client, c.port, {c.server_sequence, c.client_sequence, kTcpAck, piece}),
                 time += 1000, c.flow_id);
      c.server_sequence += static_cast<uint32_t>(piece.size());
    }
  }
  packets.resize(count);
  return packets;
}

std::vector<QueryPacket> store_traffic(uint32_t seed, size_t count) {
  std::mt19937 random(seed);
  std::vector<QueryPacket> kinds = packets_of_many_kinds(seed, count / 2),
                           talk = repeating_traffic(seed, count - count / 2);
  std::vector<QueryPacket> packets;
  int64_t time = 1'700'000'000'000'000'000;
  for (size_t k = 0, t = 0; packets.size() < count;) {
    QueryPacket packet = (random() % 2 == 0 && k < kinds.size()) || t == talk.size() ? kinds[k++] : talk[t++];
    time += static_cast<int64_t>(random() % 2'000'000) - 400'000;  // steps back now and then
    packet.timestamp_ns = time;
    switch (random() % 40) {
      case 0:
        packet.bytes.clear();
        break;
      case 1:
        packet.bytes.resize(packet.bytes.size() * 2 / 3);
        break;
      case 2:
        packet.bytes.resize(65535, static_cast<uint8_t>(random()));
        break;
      case 3:
        std::generate(packet.bytes.begin(), packet.bytes.end(), [&] { return static_cast<uint8_t>(random()); });
        break;
      case 4:
        packet.bytes.resize(packet.bytes.size() + random() % 30);
        break;
      case 5:
        if (!packet.bytes.empty())
          packet.bytes[random() % packet.bytes.size()] ^= static_cast<uint8_t>(1 + random() % 255);
        break;
      default:
        break;
    }
    packet.wire_length = std::max(packet.wire_length, static_cast<uint32_t>(packet.bytes.size()));
    packet.interface_id = static_cast<uint16_t>(random() % 2);
    packets.push_back(std::move(packet));
  }
  return packets;
}

Packet packet_of(const QueryPacket& packet, uint64_t ordinal) {
  Packet p;
  p.data = packet.bytes.data();
  p.captured_length = static_cast<uint32_t>(packet.bytes.size());
  p.wire_length = packet.wire_length;
  p.timestamp_ns = packet.timestamp_ns;
  p.ordinal = ordinal;
  p.link_type = packet.link_type;
  p.interface_id = packet.interface_id;
  return p;
}

RetentionClass retention_of(const QueryPacket& packet) {
  return packet.flow_id % 8 < 4 ? static_cast<RetentionClass>(packet.flow_id % 4) : RetentionClass::kFull;
}

StoreOptions small_store(const std::string& directory) {
  StoreOptions options;
  options.directories = {directory};
  options.reference_memory_bytes = 64 << 20;
  options.ring_bytes_max = 1 << 30;
  options.interfaces = {{"if0", LinkType::kEthernet, 262144}, {"if1", LinkType::kEthernet, 1500}};
  return options;
}

void write_packets(Store& store, const std::vector<QueryPacket>& packets, unsigned workers, size_t frame_packets,
                   uint64_t first_ordinal) {
  DecodedPacket decoded;
  for (size_t i = 0; i < packets.size(); i++) {
    const Packet packet = packet_of(packets[i], first_ordinal + i);
    decode(packet, decoded);
    StoreWorker& worker = store.worker(static_cast<unsigned>(i % workers));
    worker.add(packet, decoded, {packets[i].flow_id, retention_of(packets[i])});
    if (frame_packets != 0 && (i + 1) % frame_packets == 0) worker.flush();
  }
  for (unsigned w = 0; w < workers; w++) store.worker(w).flush();
}

void write_store(const StoreOptions& options, const std::vector<QueryPacket>& packets, size_t frame_packets,
                 uint64_t first_ordinal) {
  auto store = Store::open(options, false);
  REQUIRE(store);
  write_packets(**store, packets, options.workers, frame_packets, first_ordinal);
  REQUIRE((*store)->close());
  for (unsigned w = 0; w < options.workers; w++) {
    const StoreCounts counts = (*store)->worker(w).counts();
    REQUIRE(counts.pending == 0);
    REQUIRE(counts.added == counts.stored + counts.dropped_failed + counts.dropped_queue_full);
  }
}

std::vector<HeldPacket> read_packets(const std::string& directory, const StoreQuery& query,
                                     ReadStatistics& statistics) {
  auto reader = StoreReader::open({directory});
  REQUIRE(reader);
  std::vector<HeldPacket> packets;
  auto read = (*reader)->packets(query, [&](const StoredPacket& stored) {
    const Packet& p = stored.packet;
    packets.push_back({{{p.data, p.data + p.captured_length},
                        p.wire_length,
                        p.timestamp_ns,
                        p.link_type,
                        p.interface_id,
                        stored.flow_id},
                       p.ordinal,
                       stored.worker,
                       stored.retention});
    return true;
  });
  REQUIRE(read);
  statistics = std::move(*read);
  return packets;
}

std::vector<HeldPacket> read_packets(const std::string& directory) {
  ReadStatistics statistics;
  auto packets = read_packets(directory, {}, statistics);
  CHECK(statistics.frames_damaged == 0);
  for (const std::string& damage : statistics.damage) FAIL_CHECK(damage);
  return packets;
}

IndexTerm host_term(const IpAddress& address) {
  IndexTerm term;
  term.host = IpPrefix{address, 128};
  return term;
}

IndexTerm port_term(uint16_t port) {
  IndexTerm term;
  term.port = port;
  return term;
}

bool same(const QueryPacket& a, const QueryPacket& b) {
  return a.bytes == b.bytes && a.wire_length == b.wire_length && a.timestamp_ns == b.timestamp_ns &&
         a.link_type == b.link_type && a.interface_id == b.interface_id && a.flow_id == b.flow_id;
}

std::vector<std::string> segment_paths(const std::string& directory, const std::string& suffix) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().string().ends_with(suffix)) paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace gatetape::test
