#include "reassembly/stack/transcript.h"

#include <algorithm>

#include "packet/decode.h"
#include "reassembly/stack/protocols.h"
#include "reassembly/tcp_stream.h"

namespace gatetape {

namespace {

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void append_some(MessageText& message, std::span<const uint8_t> bytes, size_t bytes_max) {
  message.length += bytes.size();
  message.bytes.append(text_of(bytes).substr(0, bytes_max - std::min(bytes_max, message.bytes.size())));
}

}  // namespace

// The sink of the reassembler and of the protocols.
struct Transcript::Inside {
  explicit Inside(const TranscriptRequest& asked) : request(asked) {}

  bool is_wanted(const Transaction& transaction) const { return request.transaction == transaction.id; }

  void on_stream_bytes(Direction direction, std::span<const uint8_t> bytes, uint64_t) {
    if (tcp.midstream() && !application.decided()) application.set_midstream();
    append_some(streams[index(direction)], bytes, request.bytes_max);
    protocols.recognise(application, direction, bytes);
    protocols.consume(application, direction, bytes, *packet, *this);
  }
  void on_stream_gap(Direction direction, uint64_t length) {
    streams[index(direction)].gap_bytes += length;
    protocols.gap(application, direction, length, *packet, *this);
  }
  void on_stream_end(Direction direction) { protocols.end(application, direction, *this); }

  void on_transaction_head(Transaction& transaction, Direction direction) {
    if (!is_wanted(transaction)) return;
    found = true;
    MessageText& message = messages[index(direction)];
    const auto text = [&](Buffer buffer) {
      const auto bytes = transaction.buffer(buffer, direction, 0);
      return std::string(bytes ? text_of(*bytes) : std::string_view());
    };
    message.start_line = text(direction == Direction::kToServer ? buffer_named("http.request_line")
                                                                : buffer_named("http.response_line"));
    message.fields = text(buffer_named("http.header.raw"));
    for (const Buffer buffer : request.buffers) {
      for (size_t instance = 0; instance < kInstancesMax; ++instance) {
        const auto bytes = transaction.buffer(buffer, direction, instance);
        if (!bytes) break;
        buffers.push_back({buffer, std::string(text_of(*bytes))});
        if (!buffer_info(buffer).several) break;
      }
    }
  }
  bool wants_body(const Transaction& transaction, Direction) const { return is_wanted(transaction); }
  void on_transaction_body(Transaction& transaction, Direction direction, std::span<const uint8_t> bytes) {
    if (is_wanted(transaction)) append_some(messages[index(direction)], bytes, request.bytes_max);
  }
  void on_transaction_gap(Transaction& transaction, Direction direction, uint64_t length) {
    if (is_wanted(transaction)) messages[index(direction)].gap_bytes += length;
  }
  void on_message_end(Transaction&, Direction) {}
  void on_transaction_end(Transaction&) {}

  static constexpr size_t kInstancesMax = 256;

  const TranscriptRequest request;
  TcpReassembler reassembler;
  Protocols protocols;
  TcpConnection tcp;
  Protocols::Layer application;
  const Packet* packet = nullptr;
  Packet last;  // without its bytes, for what comes at the end
  MessageText streams[2], messages[2];
  std::vector<BufferText> buffers;
  uint64_t packets = 0;
  bool found = false;
};

Transcript::Transcript(const TranscriptRequest& request) : inside_(std::make_unique<Inside>(request)) {}
Transcript::~Transcript() = default;

void Transcript::add(const StoredPacket& stored) {
  DecodedPacket decoded;
  decode(stored.packet, decoded);
  ++inside_->packets;
  if (decoded.status != DecodeStatus::kOk || !decoded.has_transport || decoded.is_fragment) return;
  if (inside_->request.validate_checksums && !checksums_ok(stored.packet, decoded)) return;
  const Endpoints& ends = inside_->request.client_to_server;
  const bool from_client = decoded.source == ends.source && decoded.source_port == ends.source_port;
  const Direction direction = from_client ? Direction::kToServer : Direction::kToClient;
  inside_->packet = &stored.packet;
  inside_->last = stored.packet;
  inside_->last.data = nullptr;
  inside_->last.captured_length = 0;
  if (decoded.protocol == kProtocolTcp) {
    inside_->reassembler.segment(inside_->tcp, direction, stored.packet, decoded, *inside_);
  } else {
    append_some(inside_->streams[index(direction)], decoded.payload(stored.packet), inside_->request.bytes_max);
    inside_->protocols.datagram(inside_->application, direction, decoded.payload(stored.packet), stored.packet,
                                *inside_);
  }
}

void Transcript::finish() {
  inside_->packet = &inside_->last;
  if (inside_->request.client_to_server.protocol == kProtocolTcp) inside_->reassembler.finish(inside_->tcp, *inside_);
  inside_->protocols.finish(inside_->application, *inside_);
}

uint64_t Transcript::packets() const {
  return inside_->packets;
}
bool Transcript::found() const {
  return inside_->found;
}
const MessageText& Transcript::stream(Direction direction) const {
  return inside_->streams[index(direction)];
}
const MessageText& Transcript::message(Direction direction) const {
  return inside_->messages[index(direction)];
}
const std::vector<BufferText>& Transcript::buffers() const {
  return inside_->buffers;
}

}  // namespace gatetape
