// The stream reassembler: the input is a script of segments. Checks the sink's rules: offsets without a break, one end
// per direction, memory within its limit and given back.
#include <cstdint>

#include "common/byte_reader.h"
#include "common/check.h"
#include "reassembly/tcp_stream.h"

using namespace gatetape;

namespace {

struct Sink {
  uint64_t next[2] = {0, 0};
  bool ended[2] = {false, false};
  void on_stream_bytes(Direction d, std::span<const uint8_t> bytes, uint64_t offset) {
    GT_CHECK(!ended[index(d)] && !bytes.empty() && offset == next[index(d)]);
    next[index(d)] += bytes.size();
  }
  void on_stream_gap(Direction d, uint64_t length) {
    GT_CHECK(!ended[index(d)] && length > 0);
    next[index(d)] += length;
  }
  void on_stream_end(Direction d) {
    GT_CHECK(!ended[index(d)]);
    ended[index(d)] = true;
  }
};

}  // namespace

// First byte: options. Then for each segment: flags, length, direction and scale of the numbers, sequence and
// acknowledgment number (u16 each), and what time has passed; its bytes are whatever follows in the input.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader reader(data, size);
  const uint8_t mode = reader.u8();
  TcpOptions options;
  options.midstream = mode & 1;
  options.overlap_policy = mode & 2 ? OverlapPolicy::kLast : OverlapPolicy::kFirst;
  options.reorder.stream_bytes_max = 4 * ReorderPool::kChunkBytes;
  TcpReassembler reassembler(options);
  TcpConnection connection;
  Sink sink;
  int64_t now_ns = 1'000'000'000;
  while (reader.remaining() >= 8) {
    DecodedPacket decoded;
    decoded.tcp_flags = reader.u8();
    const uint8_t length = reader.u8();
    const uint8_t kind = reader.u8();
    const uint32_t base = mode & 4 ? 0xffffff00u : 0;
    decoded.sequence_number = base + (uint32_t{reader.u16()} << (kind & 2 ? 14 : 0));
    decoded.acknowledgment_number = base + (uint32_t{reader.u16()} << (kind & 4 ? 14 : 0));
    now_ns += int64_t{reader.u8()} * 1'000'000 - (kind & 8 ? 100'000'000 : 0);
    Packet packet;
    packet.data = reader.current();
    packet.timestamp_ns = now_ns;
    decoded.payload_length = static_cast<uint32_t>(std::min<size_t>(length, reader.remaining()));
    decoded.payload_wire_length = decoded.payload_length + (kind & 16 ? 10 : 0);
    decoded.window = 1000;
    const Direction direction = kind & 1 ? Direction::kToClient : Direction::kToServer;
    if (connection.is_replaced_by(direction, decoded)) break;
    reassembler.segment(connection, direction, packet, decoded, sink);
    GT_CHECK(reassembler.pool().bytes_in_use() <= 2 * options.reorder.stream_bytes_max);
    if (kind & 32) reader.skip(decoded.payload_length);
  }
  reassembler.finish(connection, sink);
  GT_CHECK(reassembler.pool().bytes_in_use() == 0 && reassembler.pool().buffers_in_use() == 0);
  return 0;
}
