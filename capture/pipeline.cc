#include "capture/pipeline.h"

#include <algorithm>

#include "capture/inspection.h"
#include "capture/part_counters.h"
#include "common/time_text.h"

namespace gatetape {
namespace {

constexpr uint32_t kExpirePerTick = 4096;
// The first bytes of either side of an encrypted connection: certificates, which are the same in many connections.
constexpr uint64_t kHandshakeBytes = 8192;
static_assert(kBurstPacketsMax <= 256, "a packet's place in its burst is a byte");

FlowTableOptions flow_table_options(const PipelineOptions& options) {
  FlowTableOptions table;
  table.flows_max = options.flows_max;
  table.worker = options.worker;
  table.start_ns = options.start_ns;
  table.hash_seed = static_cast<uint64_t>(options.start_ns) * 0x9e3779b97f4a7c15u;
  return table;
}

bool is_datagram(const DecodedPacket& decoded) {
  return decoded.protocol == kProtocolUdp && decoded.has_transport && !decoded.is_fragment;
}

TcpOptions tcp_options(const PipelineOptions& options) {
  TcpOptions tcp;
  tcp.midstream = options.midstream;
  return tcp;
}

}  // namespace

Pipeline::Pipeline(const PipelineOptions& options, const PacketFilter& filter, std::shared_ptr<const RuleSet> rules,
                   StoreWorker* store, RecordOutlet& records)
    : options_(options),
      filter_(filter),
      store_(store),
      records_(records),
      tcp_(tcp_options(options)),
      matcher_(rules == nullptr ? nullptr : std::make_unique<Matcher>(std::move(rules))),
      flows_(flow_table_options(options)) {}

Pipeline::~Pipeline() = default;

void Pipeline::process(Burst& burst) {
  for (uint32_t i = 0; i < burst.count; ++i) {
    decode(burst.packets[i], burst.decoded[i]);
    mine_[i] = static_cast<uint8_t>(i);
  }
  process(burst, {mine_.data(), burst.count});
}

void Pipeline::process_marked(const Burst& burst) {
  size_t count = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    if (burst.worker[i] == options_.worker) mine_[count++] = static_cast<uint8_t>(i);
  }
  process(burst, {mine_.data(), count});
}

void Pipeline::process(const Burst& burst, std::span<const uint8_t> mine) {
  while (!mine.empty()) {
    const auto next = mine.first(std::min(mine.size(), kLookAhead));
    look_ahead(burst, next);
    for (size_t i = 0; i < next.size(); ++i) packet(burst.packets[next[i]], burst.decoded[next[i]], lookups_[i]);
    mine = mine.subspan(next.size());
  }
}

// Each second of packet time, before its first packet is counted, so that a part of a file can be extracted with its
// part of the account. After a pause, both its ends: nothing was counted in it.
void Pipeline::report_account(int64_t now_ns) {
  next_account_ns_ = now_ns + kNanosecondsPerSecond;
  AccountRecord record = account_by_packet_clock();
  if (newest_ns_ == INT64_MIN) newest_ns_ = now_ns;  // the first packet: from here on there is somebody to vouch
  if (now_ns - newest_ns_ > kNanosecondsPerSecond) records_.append(record);
  record.timestamp_ns = now_ns - 1;
  records_.append(record);
}

// With many flows every look-up is a chain of cache misses: bucket, flow, transaction. Each link is asked for over all
// packets before the next, so that their waits overlap.
void Pipeline::look_ahead(const Burst& burst, std::span<const uint8_t> next) {
  for (size_t i = 0; i < next.size(); ++i) {
    const DecodedPacket& decoded = burst.decoded[next[i]];
    FlowLookup& lookup = lookups_[i];
    lookup.possible = decoded.ip_version != 0;
    if (!lookup.possible) continue;
    lookup.key = FlowKey::from(decoded, lookup.reversed);
    lookup.hash = flows_.hash(lookup.key);
    flows_.prefetch(lookup.hash);
  }
  const auto lookups = std::span(lookups_).first(next.size());
  for (const FlowLookup& lookup : lookups) {
    if (lookup.possible) flows_.prefetch_flow(lookup.hash);
  }
  for (const FlowLookup& lookup : lookups) {
    const Flow* flow = lookup.possible ? flows_.likely(lookup.hash) : nullptr;
    if (flow != nullptr) flow->state.application.prefetch();
  }
}

void Pipeline::packet(const Packet& packet, const DecodedPacket& decoded, const FlowLookup& lookup) {
  if (options_.packet_clock && packet.timestamp_ns >= next_account_ns_) report_account(packet.timestamp_ns);
  receive(packet, decoded);
  if (!wanted(packet, decoded)) return;
  Direction direction = Direction::kToServer;
  Flow* flow = track(packet, decoded, lookup, direction);
  if (inspectable(packet, decoded)) inspect(packet, decoded, flow, direction);
  keep(packet, decoded, flow, direction);
}

// Counts what came in.
void Pipeline::receive(const Packet& packet, const DecodedPacket& decoded) {
  ++account_[Counter::kReceived];
  account_[Counter::kReceivedBytes] += packet.wire_length;
  ++account_[counter_of(decoded.status)];
  if (packet.timestamp_ns < newest_ns_) {
    ++account_[Counter::kTimeSteppedBack];
  } else {
    newest_ns_ = packet.timestamp_ns;
  }
  if (decoded.is_fragment) ++account_[Counter::kIpFragments];
  if (packet.wire_length > options_.packet_bytes_max) ++account_[Counter::kSuperFrames];
}

// The filter: addresses first, then BPF.
bool Pipeline::wanted(const Packet& packet, const DecodedPacket& decoded) {
  const PacketFilter::Verdict verdict = filter_.apply(packet, decoded);
  // Counted whatever else is filtered: it says whether the mirror shows the ingress.
  if (filter_.has_ingress() && decoded.ip_version != 0 && verdict != PacketFilter::Verdict::kNotIngress) {
    account_[Counter::kToIngress] += filter_.is_ingress(decoded.destination);
    account_[Counter::kFromIngress] += filter_.is_ingress(decoded.source);
  }
  switch (verdict) {
    case PacketFilter::Verdict::kPass:
      return true;
    case PacketFilter::Verdict::kNotIngress:
      ++account_[Counter::kFilteredNotIngress];
      return false;
    case PacketFilter::Verdict::kNotHostile:
      ++account_[Counter::kFilteredNotHostile];
      return false;
    case PacketFilter::Verdict::kBpf:
      ++account_[Counter::kFilteredBpf];
      return false;
  }
  return false;  // not reached
}

// The flow of the packet, begun if need be; null for what is not IP. Fragments have no ports: the datagram's first
// fragment alone would give a flow half of its bytes, so all of them are kept as one flow of their addresses.
Pipeline::Flow* Pipeline::track(const Packet& packet, const DecodedPacket& decoded, const FlowLookup& lookup,
                                Direction& direction) {
  if (!lookup.possible) return nullptr;
  const auto& [key, hash, reversed, possible] = lookup;
  const auto on_end = [this](Flow& flow, FlowEnd end) { end_flow(flow, end); };
  bool created = false;
  Flow* flow = flows_.find_or_create(key, hash, packet, created, on_end);
  const bool tcp = decoded.protocol == kProtocolTcp && decoded.has_transport && !decoded.is_fragment;
  if (!created && tcp && flow->state.tcp.is_replaced_by(flow->direction(reversed), decoded)) {
    flows_.end(*flow, flow->state.tcp.state() == TcpState::kReset ? FlowEnd::kReset : FlowEnd::kClosed, on_end);
    flow = flows_.find_or_create(key, hash, packet, created, on_end);
  }
  if (created) flow->client_is_high = reversed == (!tcp || source_is_client(decoded));
  direction = flow->direction(reversed);
  if (direction == Direction::kToClient) flow->state.answered = true;
  flows_.touch(*flow, packet, direction);
  return flow;
}

bool Pipeline::inspectable(const Packet& packet, const DecodedPacket& decoded) {
  if (decoded.status != DecodeStatus::kOk || decoded.ip_version == 0) return false;
  if (!options_.validate_checksums || checksums_ok(packet, decoded)) return true;
  ++account_[Counter::kBadChecksum];
  return false;
}

// Stream -> protocol -> match. The Inspection is told what they find.
void Pipeline::inspect(const Packet& packet, const DecodedPacket& decoded, Flow* flow, Direction direction) {
  Inspection inspection(*this, packet, decoded, flow, direction);
  if (decoded.protocol == kProtocolTcp && decoded.has_transport && !decoded.is_fragment) {
    inspection.segment();
    const TcpConnection& tcp = flow->state.tcp;
    if (tcp.closed()) {
      flows_.close(*flow, tcp.state() == TcpState::kReset ? FlowEnd::kReset : FlowEnd::kClosed);
    } else if (tcp.established()) {
      flows_.set_class(*flow, FlowClass::kTcpEstablished);
    }
  } else if (Protocols::kTakesDatagrams && is_datagram(decoded)) {
    inspection.datagram();
  }
  inspection.end();
}

void Pipeline::keep(const Packet& packet, const DecodedPacket& decoded, const Flow* flow, Direction direction) {
  if (store_ == nullptr) {
    ++account_[Counter::kNotStored];
    return;
  }
  if (packet.captured_length > kStoredPacketBytesMax) {
    ++account_[Counter::kDroppedOversized];
    return;
  }
  PacketContext context;
  if (flow != nullptr) {
    context.flow_id = flow->flow_id;
    context.retention = flow->state.retention;
    context.encrypted =
        is_encrypted(flow->state.application.protocol()) && flow->bytes[index(direction)] > kHandshakeBytes;
  }
  store_->add(packet, decoded, context);
}

void Pipeline::end_flow(Flow& flow, FlowEnd end) {
  const Endpoints endpoints = endpoints_of(flow.key, flow.client_is_high);
  // The end of a flow delivers what still waits, at the time of the last packet and from the client's side.
  Packet last;
  last.timestamp_ns = flow.last_timestamp_ns;
  last.ordinal = flow.last_ordinal;
  DecodedPacket decoded;
  decoded.protocol = endpoints.protocol;
  decoded.source = endpoints.source;
  decoded.destination = endpoints.destination;
  decoded.source_port = endpoints.source_port;
  decoded.destination_port = endpoints.destination_port;
  if (flow.key.protocol == kProtocolTcp || Protocols::kTakesDatagrams) {
    Inspection inspection(*this, last, decoded, &flow, Direction::kToServer, Matcher::Occasion::kFlowEnd);
    inspection.finish_flow();
    inspection.end();
  }
  flow.state.rules.reset();

  FlowRecord record;
  record.flow_id = flow.flow_id;
  record.endpoints = endpoints;
  record.first_timestamp_ns = flow.first_timestamp_ns;
  record.last_timestamp_ns = flow.last_timestamp_ns;
  record.first_ordinal = flow.first_ordinal;
  record.last_ordinal = flow.last_ordinal;
  for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
    const int i = index(d);
    record.vlan_id[i] = flow.key.vlan_id[i];
    record.packets[i] = flow.packets[i];
    record.bytes[i] = flow.bytes[i];
    record.gap_bytes[i] = flow.state.tcp.stream(d).gap_bytes;
    record.tcp_flags[i] = flow.state.tcp.flags_seen(d);
  }
  record.alerts = flow.state.alerts;
  record.end = end;
  protocols_.describe(flow.state.application, record);
  records_.append(record);
}

void Pipeline::tick(int64_t monotonic_ns, int64_t wall_ns) {
  const auto on_end = [this](Flow& flow, FlowEnd end) { end_flow(flow, end); };
  flows_.expire(wall_ns != 0 ? wall_ns : newest_ns_, kExpirePerTick, on_end);
  records_.tick(monotonic_ns);
  if (store_ != nullptr) store_->tick(monotonic_ns);
}

void Pipeline::finish() {
  records_.input_ended();
  flows_.drain([this](Flow& flow, FlowEnd end) { end_flow(flow, end); });
  records_.flush();
  if (store_ != nullptr) store_->flush();
}

WorkerAccount Pipeline::account() const {
  WorkerAccount account = account_;
  if (store_ != nullptr) add_counters(account, store_->counts());
  if (matcher_ != nullptr) add_counters(account, matcher_->counters());
  protocols_.count(account);
  add_counters(account, tcp_);
  add_counters(account, flows_.counters());
  account[Counter::kFlowsHeld] = flows_.size();
  account[Counter::kRecordsDropped] = records_.dropped();
  return account;
}

AccountRecord Pipeline::account_by_packet_clock() const {
  AccountRecord record;
  record.timestamp_ns = newest_ns_;
  record.run_started_ns = options_.start_ns;
  record.worker = options_.worker;
  record.of_file = true;
  record.worker_account = account();
  record.port_account = port_account_of_file(record.worker_account);
  return record;
}

}  // namespace gatetape
