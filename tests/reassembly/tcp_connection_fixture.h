// A TCP connection for tests: segments by offset instead of sequence number, and what was delivered of them.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "reassembly/tcp_stream.h"

namespace gatetape::test {

// Records a sink's calls: bytes as they are, a gap as '[' length ']', the end as '$'.
struct RecordingSink {
  std::string log[2];
  std::string bytes[2];  // with a NUL for each missing byte, while gaps are small
  uint64_t next_offset[2] = {0, 0};
  bool ended[2] = {false, false};

  void on_stream_bytes(Direction direction, std::span<const uint8_t> data, uint64_t offset) {
    const int i = index(direction);
    REQUIRE_FALSE(ended[i]);
    REQUIRE(offset == next_offset[i]);
    REQUIRE_FALSE(data.empty());
    next_offset[i] += data.size();
    log[i].append(data.begin(), data.end());
    bytes[i].append(data.begin(), data.end());
  }
  void on_stream_gap(Direction direction, uint64_t length) {
    const int i = index(direction);
    REQUIRE_FALSE(ended[i]);
    REQUIRE(length > 0);
    log[i] += '[' + std::to_string(length) + ']';
    next_offset[i] += length;
    constexpr uint64_t kKeptMax = 100'000;
    bytes[i].append(std::min(length, kKeptMax), '\0');
  }
  void on_stream_end(Direction direction) {
    REQUIRE_FALSE(ended[index(direction)]);
    ended[index(direction)] = true;
    log[index(direction)] += '$';
  }
};

class TcpFixture {
 public:
  static constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

  explicit TcpFixture(const TcpOptions& options = {}, uint32_t client_isn = 1000, uint32_t server_isn = 5000)
      : reassembler(options), isn_{client_isn, server_isn} {}

  RecordingSink sink;
  TcpReassembler reassembler;
  TcpConnection connection;
  int64_t now_ns = 1'000'000'000;

  // Sequence and acknowledgment numbers as offsets: 0 is the first byte.
  void send(Direction direction, uint8_t flags, int64_t offset, std::string_view bytes, int64_t acknowledged = 0) {
    const int i = index(direction);
    send_raw(direction, flags, isn_[i] + 1 + static_cast<uint32_t>(offset), bytes,
             isn_[1 - i] + 1 + static_cast<uint32_t>(acknowledged));
  }
  void send_raw(Direction direction, uint8_t flags, uint32_t sequence, std::string_view bytes, uint32_t acknowledged) {
    Packet packet;
    packet.data = reinterpret_cast<const uint8_t*>(bytes.data());
    packet.captured_length = packet.wire_length = static_cast<uint32_t>(bytes.size());
    packet.timestamp_ns = now_ns += 1000;
    DecodedPacket decoded;
    decoded.status = DecodeStatus::kOk;
    decoded.protocol = kProtocolTcp;
    decoded.has_transport = true;
    decoded.tcp_flags = flags;
    decoded.payload_length = decoded.payload_wire_length = static_cast<uint32_t>(bytes.size());
    decoded.sequence_number = sequence;
    decoded.acknowledgment_number = flags & kTcpAck ? acknowledged : 0;
    decoded.window = 65535;
    reassembler.segment(connection, direction, packet, decoded, sink);
  }
  void data(Direction direction, int64_t offset, std::string_view bytes) { send(direction, kTcpAck, offset, bytes); }
  void acknowledge(Direction direction, int64_t offset) { send(direction, kTcpAck, 0, "", offset); }
  void handshake() {
    send(kClient, kTcpSyn, -1, "");
    send(kServer, kTcpSyn | kTcpAck, -1, "");
    send(kClient, kTcpAck, 0, "");
  }
  void finish() { reassembler.finish(connection, sink); }
  const std::string& log(Direction direction) const { return sink.log[index(direction)]; }

 private:
  uint32_t isn_[2];
};

}  // namespace gatetape::test
