#include "capture/inspection.h"

#include <utility>

#include "rules/language/rule.h"

namespace gatetape {

Endpoints endpoints_of(const FlowKey& key, bool client_is_high) {
  const Endpoints low_to_high{key.low_address, key.high_address, key.low_port, key.high_port,
                              static_cast<uint8_t>(key.protocol)};
  return client_is_high ? low_to_high.reversed() : low_to_high;
}

Endpoints Pipeline::Inspection::client_to_server() const {
  return gatetape::endpoints_of(flow_->key, flow_->client_is_high);
}

void Pipeline::Inspection::refresh() {
  const PipelineFlow& state = flow_->state;
  if (flow_->key.protocol == kProtocolTcp) {
    facts_.established = state.tcp.established();
    for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
      facts_.stream_bytes[index(d)] = state.tcp.stream(d).next_offset;
    }
  } else {
    facts_.established = state.answered;
  }
}

// Packet rules see the flow as the packet finds it. A change that the packet itself brings (the handshake's end, a
// protocol recognised) is for what it carries, and for the next packet.
Pipeline::Inspection::Inspection(Pipeline& pipeline, const Packet& packet, const DecodedPacket& decoded, Flow* flow,
                                 Direction direction, Matcher::Occasion occasion)
    : pipeline_(pipeline), packet_(packet), decoded_(decoded), flow_(flow) {
  facts_.direction = direction;
  if (flow != nullptr) {
    facts_.has_flow = true;
    facts_.flow_id = flow->flow_id;
    facts_.app_protocol = flow->state.protocol.protocol();
    refresh();
  }
  if (pipeline_.matcher_ == nullptr) return;
  pipeline_.matcher_->begin_packet(packet, decoded, facts_, flow == nullptr ? no_flow_ : flow->state.rules, occasion);
}

void Pipeline::Inspection::end() {
  if (pipeline_.matcher_ == nullptr) return;
  if (flow_ != nullptr) refresh();
  report(pipeline_.matcher_->end_packet());
  end_kept_transactions();
}

void Pipeline::Inspection::on_stream_bytes(Direction direction, std::span<const uint8_t> bytes, uint64_t offset) {
  PipelineFlow& state = flow_->state;
  refresh();
  const bool decided_before = state.protocol.decided();
  if (!decided_before && state.tcp.midstream()) {
    state.protocol.set_midstream();
    state.http.set_midstream();
  }
  const bool decided = state.protocol.look(direction, bytes);
  facts_.app_protocol = state.protocol.protocol();
  if (is_encrypted(facts_.app_protocol)) pipeline_.account_[Counter::kEncryptedBytes] += bytes.size();
  if (pipeline_.matcher_ != nullptr) {
    pipeline_.matcher_->stream(direction, bytes, offset);
  }
  if (facts_.app_protocol != AppProtocol::kHttp1) return;
  if (decided && !decided_before) parse_held();
  pipeline_.http_.consume(state.http, direction, bytes, packet_, *this);
}

// The first bytes of either side that came in pieces too small to tell the protocol.
void Pipeline::Inspection::parse_held() {
  PipelineFlow& state = flow_->state;
  for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
    const std::span<const uint8_t> held = state.protocol.held(direction);
    if (!held.empty()) pipeline_.http_.consume(state.http, direction, held, packet_, *this);
  }
}

void Pipeline::Inspection::on_stream_gap(Direction direction, uint64_t length) {
  PipelineFlow& state = flow_->state;
  if (!state.protocol.decided()) state.protocol.set_midstream();
  if (state.protocol.protocol() == AppProtocol::kHttp1) {
    pipeline_.http_.gap(state.http, direction, length, packet_, *this);
  }
}

void Pipeline::Inspection::on_stream_end(Direction direction) {
  if (flow_->state.protocol.protocol() == AppProtocol::kHttp1) {
    pipeline_.http_.end_stream(flow_->state.http, direction, *this);
  }
}

void Pipeline::Inspection::finish_flow() {
  pipeline_.tcp_.finish(flow_->state.tcp, *this);
  pipeline_.http_.finish(flow_->state.http, *this);
}

void Pipeline::Inspection::on_http_head(HttpTransaction& transaction, Direction direction) {
  if (pipeline_.matcher_ == nullptr) return;
  pipeline_.matcher_->transaction_head(transaction, direction);
  BodyDecoders::Pointer& decoder = flow_->state.decoders[index(direction)];
  decoder.reset();
  if (!pipeline_.matcher_->wants_body(transaction, direction)) return;
  decoder =
      pipeline_.body_decoders_.lend(direction == Direction::kToServer ? transaction.request : transaction.response);
}

void Pipeline::Inspection::on_http_body(HttpTransaction& transaction, Direction direction,
                                        std::span<const uint8_t> bytes) {
  if (pipeline_.matcher_ == nullptr || !pipeline_.matcher_->wants_body(transaction, direction)) return;
  const auto inspect = [&](std::span<const uint8_t> piece) {
    pipeline_.matcher_->transaction_body(transaction, direction, piece);
  };
  BodyDecoder* decoder = flow_->state.decoders[index(direction)].get();
  if (decoder == nullptr) return inspect(bytes);
  decoder->decode(bytes, inspect);  // its counters tell of broken codings
}

void Pipeline::Inspection::on_http_gap(HttpTransaction&, Direction direction, uint64_t) {
  BodyDecoder* decoder = flow_->state.decoders[index(direction)].get();
  if (decoder != nullptr) decoder->gap();
}

void Pipeline::Inspection::on_http_message_end(HttpTransaction& transaction, Direction direction) {
  if (pipeline_.matcher_ == nullptr) return;
  flow_->state.decoders[index(direction)].reset();
  pipeline_.matcher_->transaction_message_end(transaction, direction);
}

// The matcher still has to look at it: it is kept until the packet ends. If a packet ends more transactions than are
// kept, the matcher looks at those so far, and they end before the packet does.
void Pipeline::Inspection::on_http_transaction_end(HttpTransaction& t) {
  ++flow_->state.http_transactions;
  ++pipeline_.account_[Counter::kHttpTransactions];
  if (t.anomalies != 0) ++pipeline_.account_[Counter::kHttpAnomalies];
  if (pipeline_.matcher_ == nullptr) return end_transaction(t);
  if (pipeline_.kept_count_ == pipeline_.kept_.size()) end_kept_transactions();
  t.kept = true;
  pipeline_.kept_[pipeline_.kept_count_++] = &t;
}

void Pipeline::Inspection::end_kept_transactions() {
  const auto kept = std::span(pipeline_.kept_).first(std::exchange(pipeline_.kept_count_, 0));
  for (Transaction* const t : kept) {
    report(pipeline_.matcher_->transaction_end(flow_->state.rules, *t));
    end_transaction(*t);
    t->release();
  }
}

void Pipeline::Inspection::end_transaction(Transaction& t) {
  if (!pipeline_.records_.wanted()) return;
  RecordContext context;
  context.flow_id = flow_->flow_id;
  context.endpoints = client_to_server();
  context.vlan_id[0] = flow_->key.vlan_id[0];
  context.vlan_id[1] = flow_->key.vlan_id[1];
  pipeline_.records_.append(t.record(context));
}

void Pipeline::Inspection::report(std::span<const RuleHit> hits) {
  for (const RuleHit& hit : hits) report(hit);
}

// In the direction of what matched, which at the end of a flow, or when a gap is given up, is not the packet's.
Endpoints Pipeline::Inspection::endpoints_of(const RuleHit& hit) const {
  const Endpoints of_packet{decoded_.source, decoded_.destination, decoded_.source_port, decoded_.destination_port,
                            decoded_.protocol};
  return flow_ != nullptr && hit.direction != facts_.direction ? of_packet.reversed() : of_packet;
}

void Pipeline::Inspection::report(const RuleHit& hit) {
  ++pipeline_.account_[Counter::kAlerts];
  if (flow_ != nullptr) ++flow_->state.alerts;
  AlertRecord record;
  record.flow_id = facts_.flow_id;
  record.timestamp_ns = packet_.timestamp_ns;
  record.ordinal = packet_.ordinal;
  record.endpoints = endpoints_of(hit);
  record.vlan_id[0] = decoded_.vlan_id[0];
  record.vlan_id[1] = decoded_.vlan_id[1];
  const Rule& rule = *hit.rule;
  record.gid = rule.gid;
  record.sid = rule.sid;
  record.rev = rule.rev;
  record.severity = rule.priority;
  record.direction = hit.direction;
  record.action = "allowed";
  record.signature = rule.message;
  record.category = rule.category;
  record.metadata = rule.metadata;
  if (hit.transaction != nullptr) {
    record.has_transaction = true;
    record.transaction_id = hit.transaction->id;
    hit.transaction->describe(record);
  }
  pipeline_.records_.append(record);
}

}  // namespace gatetape
