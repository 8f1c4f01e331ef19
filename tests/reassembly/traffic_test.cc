// The whole path over frames: what it allocates, what a flood costs, and what it finds in the sample.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "tests/reassembly/allocation_count.h"
#include "tests/reassembly/pcap_file.h"
#include "tests/reassembly/traffic_path.h"

using namespace gatetape;

namespace {

// Counts, and asks for every buffer as rules do.
struct CountingSink {
  uint64_t requests = 0, responses = 0, body_bytes = 0, buffer_bytes = 0, ended = 0, complete = 0;

  void on_transaction_head(Transaction& t, Direction d) {
    ++(d == Direction::kToServer ? requests : responses);
    for (size_t i = 0; i < kBufferCount; ++i) {
      const auto buffer = static_cast<Buffer>(i);
      for (size_t instance = 0; const auto bytes = t.buffer(buffer, d, instance); ++instance) {
        buffer_bytes += bytes->size();
      }
    }
  }
  bool wants_body(Transaction&, Direction) { return true; }
  void on_transaction_body(Transaction&, Direction, std::span<const uint8_t> bytes) { body_bytes += bytes.size(); }
  void on_message_end(Transaction&, Direction) {}
  void on_transaction_end(Transaction& t) {
    ++ended;
    complete += t.complete();
  }
};
using Path = test::TrafficPath<CountingSink>;

// A decoded segment between one client port and the server, made without a frame.
struct Segments {
  uint32_t sequence[2] = {100, 900};
  uint64_t ordinal = 0;
  int64_t now_ns = 1'000'000'000;

  void send(Path& path, uint16_t client_port, Direction direction, uint8_t flags, std::string_view bytes) {
    Packet packet;
    packet.data = reinterpret_cast<const uint8_t*>(bytes.data());
    packet.captured_length = packet.wire_length = static_cast<uint32_t>(bytes.size());
    packet.timestamp_ns = now_ns += 1000;
    packet.ordinal = ordinal++;
    DecodedPacket decoded;
    decoded.status = DecodeStatus::kOk;
    decoded.ip_version = 4;
    decoded.protocol = kProtocolTcp;
    decoded.has_transport = true;
    decoded.tcp_flags = flags;
    decoded.payload_length = decoded.payload_wire_length = static_cast<uint32_t>(bytes.size());
    const int i = index(direction);
    decoded.sequence_number = sequence[i];
    decoded.acknowledgment_number = flags & kTcpAck ? sequence[1 - i] : 0;
    sequence[i] += static_cast<uint32_t>(bytes.size()) + ((flags & (kTcpSyn | kTcpFin)) != 0);
    const uint8_t client[4] = {10, 0, 0, 1}, server[4] = {10, 0, 0, 2};
    decoded.source = IpAddress::from_v4(i == 0 ? client : server);
    decoded.destination = IpAddress::from_v4(i == 0 ? server : client);
    decoded.source_port = i == 0 ? client_port : 80;
    decoded.destination_port = i == 0 ? 80 : client_port;
    path.packet(packet, decoded);
  }
};

constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

std::string sample_path() {
  const char* shared = std::getenv("GATETAPE_SHARED");
  for (const std::string& path : {std::string(shared != nullptr ? shared : "../shared") + "/samples/ingress-lab.pcap",
                                  std::string("/tmp/sample/ingress-lab.pcap")}) {
    if (std::filesystem::exists(path)) return path;
  }
  return "";
}

}  // namespace

TEST_CASE("traffic in order allocates nothing", "[traffic]") {
  CountingSink sink;
  Path path({}, {}, sink);
  Segments segments;
  segments.send(path, 40000, kClient, kTcpSyn, "");
  segments.send(path, 40000, kServer, kTcpSyn | kTcpAck, "");
  segments.send(path, 40000, kClient, kTcpAck, "");
  const std::string body(1448, 'x');
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5a8\r\n" + body + "\r\n0\r\n\r\n";
  const auto exchange = [&] {
    segments.send(path, 40000, kClient, kTcpAck, "GET /a/b%20c?d HTTP/1.1\r\nHost: shop.example.com\r\n");
    segments.send(path, 40000, kClient, kTcpAck, "Accept: */*\r\nUser-Agent: test\r\n\r\n");
    segments.send(path, 40000, kServer, kTcpAck, "HTTP/1.1 200 OK\r\nContent-Length: 7240\r\nX-A: b\r\n\r\n");
    for (int i = 0; i < 5; ++i) segments.send(path, 40000, kServer, kTcpAck, body);
    segments.send(path, 40000, kClient, kTcpAck, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody");
    segments.send(path, 40000, kServer, kTcpAck, chunked);
  };
  for (int i = 0; i < 3; ++i) exchange();
  const uint64_t before = test::allocations();
  for (int i = 0; i < 1000; ++i) exchange();
  REQUIRE(test::allocations() == before);
  REQUIRE(sink.complete == 2006);
  REQUIRE(sink.buffer_bytes > 2006 * 100);
  REQUIRE(sink.body_bytes == 1003u * (5 * 1448 + 4 + 1448));
}

TEST_CASE("a SYN flood costs the flows that the table may hold", "[traffic]") {
  CountingSink sink;
  FlowTableOptions options;
  options.flows_max = 1000;
  Path path(options, {}, sink);
  Segments segments;
  for (uint32_t port = 1; port < 1100; ++port) segments.send(path, static_cast<uint16_t>(port), kClient, kTcpSyn, "");
  const uint64_t before = test::allocations();
  for (uint32_t port = 1100; port < 60'000; ++port) {
    segments.send(path, static_cast<uint16_t>(port), kClient, kTcpSyn, "");
  }
  REQUIRE(test::allocations() == before);
  REQUIRE(path.flows().evicted == 58'999);
}

TEST_CASE("the sample's requests are found, all of them", "[traffic]") {
  const std::string path = sample_path();
  if (path.empty()) {
    WARN("skipped: samples/ingress-lab.pcap is not there, decompressed (set GATETAPE_SHARED)");
    return;
  }
  test::PcapFile file(path);
  REQUIRE(file.is_open());
  CountingSink sink;
  Path traffic({}, {}, sink);
  Packet packet;
  uint64_t packets = 0;
  for (; file.next(packet); ++packets) traffic.packet(packet);
  traffic.finish();
  REQUIRE(packets == 130'000);
  REQUIRE(sink.requests == 16'694);
  REQUIRE(sink.ended == 16'694);
  REQUIRE(traffic.tcp().gaps == 0);
}
