// The path of a packet without rules and store, for tests: decode, flow, streams, protocols. capture/pipeline.h has the
// real one.
#pragma once

#include "packet/decode.h"
#include "reassembly/flow_table.h"
#include "reassembly/stack/protocols.h"
#include "reassembly/tcp_stream.h"

namespace gatetape::test {

// The sink gets the transactions of all flows (reassembly/protocol.h).
template <class Sink>
class TrafficPath {
 public:
  TrafficPath(const FlowTableOptions& flows, const TcpOptions& tcp, Sink& sink)
      : tcp_(tcp), sink_(sink), table_(flows) {}
  ~TrafficPath() { finish(); }

  void packet(const Packet& packet) {
    DecodedPacket decoded;
    decode(packet, decoded);
    this->packet(packet, decoded);
  }
  void packet(const Packet& packet, const DecodedPacket& decoded) {
    if (!decoded.has_transport || decoded.is_fragment) return;
    bool reversed = false;
    const FlowKey key = FlowKey::from(decoded, reversed);
    const uint64_t hash = table_.hash(key);
    look_up(packet, decoded, key, hash, reversed);
  }
  // As packet(), for a whole burst, with the table's lines fetched ahead.
  void burst(const Packet* packets, size_t count) {
    constexpr size_t kMax = 64;
    DecodedPacket decoded[kMax];
    FlowKey keys[kMax];
    uint64_t hashes[kMax];
    bool reversed[kMax];
    for (size_t i = 0; i < count; ++i) {
      decode(packets[i], decoded[i]);
      if (!decoded[i].has_transport || decoded[i].is_fragment) continue;
      keys[i] = FlowKey::from(decoded[i], reversed[i]);
      table_.prefetch(hashes[i] = table_.hash(keys[i]));
    }
    for (size_t i = 0; i < count; ++i) {
      if (decoded[i].has_transport && !decoded[i].is_fragment) table_.prefetch_flow(hashes[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      if (!decoded[i].has_transport || decoded[i].is_fragment) continue;
      if (const Entry* flow = table_.likely(hashes[i])) flow->state.application.prefetch();
    }
    for (size_t i = 0; i < count; ++i) {
      if (decoded[i].has_transport && !decoded[i].is_fragment) {
        look_up(packets[i], decoded[i], keys[i], hashes[i], reversed[i]);
      }
    }
    table_.expire(packets[count - 1].timestamp_ns, 64, on_end());
  }
  void finish() { table_.drain(on_end()); }

  const TcpCounters& tcp() const { return tcp_.counters(); }
  const FlowTableCounters& flows() const { return table_.counters(); }

 private:
  struct State {
    TcpConnection tcp;
    Protocols::Layer application;
  };
  using Entry = Flow<State>;

  struct StreamSink {
    TrafficPath& path;
    Entry& flow;
    const Packet& packet;

    void on_stream_bytes(Direction direction, std::span<const uint8_t> bytes, uint64_t) {
      Protocols::Layer& application = flow.state.application;
      if (flow.state.tcp.midstream() && !application.decided()) application.set_midstream();
      path.protocols_.recognise(application, direction, bytes);
      path.protocols_.consume(application, direction, bytes, packet, path.sink_);
    }
    void on_stream_gap(Direction direction, uint64_t length) {
      path.protocols_.gap(flow.state.application, direction, length, packet, path.sink_);
    }
    void on_stream_end(Direction direction) { path.protocols_.end(flow.state.application, direction, path.sink_); }
  };

  auto on_end() {
    return [this](Entry& flow, FlowEnd) {
      const Packet none;
      StreamSink sink{*this, flow, none};
      tcp_.finish(flow.state.tcp, sink);
      protocols_.finish(flow.state.application, sink_);
    };
  }

  void look_up(const Packet& packet, const DecodedPacket& decoded, const FlowKey& key, uint64_t hash, bool reversed) {
    bool created = false;
    Entry* flow = table_.find_or_create(key, hash, packet, created, on_end());
    const bool is_tcp = decoded.protocol == kProtocolTcp;
    if (is_tcp && !created && flow->state.tcp.is_replaced_by(flow->direction(reversed), decoded)) {
      table_.end(*flow, FlowEnd::kClosed, on_end());
      flow = table_.find_or_create(key, hash, packet, created, on_end());
    }
    if (created) flow->client_is_high = is_tcp ? reversed == source_is_client(decoded) : reversed;
    const Direction direction = flow->direction(reversed);
    table_.touch(*flow, packet, direction);
    if (!is_tcp) return;
    StreamSink sink{*this, *flow, packet};
    const TcpState before = flow->state.tcp.state();
    tcp_.segment(flow->state.tcp, direction, packet, decoded, sink);
    const TcpState state = flow->state.tcp.state();
    if (state == before) return;
    if (state == TcpState::kClosed) {
      table_.close(*flow, FlowEnd::kClosed);
    } else if (state == TcpState::kReset) {
      table_.close(*flow, FlowEnd::kReset);
    } else if (flow->state.tcp.established()) {
      table_.set_class(*flow, FlowClass::kTcpEstablished);
    }
  }

  // Flows are destroyed before what they hold memory of.
  TcpReassembler tcp_;
  Protocols protocols_;
  Sink& sink_;
  FlowTable<State> table_;
};

}  // namespace gatetape::test
