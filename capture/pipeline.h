// The path of a packet, on one screen: Pipeline::process() and Pipeline::packet() in pipeline.cc are all of it.
//
//   decode -> filter -> flow -> stream -> protocol -> match -> store
//
// One Pipeline per worker, used by that worker's thread alone: it owns the flow table, the reassembler, the protocols
// and the matcher, shares nothing but immutable things (filter, rule set) and hands its results to two queues: the
// store's worker and the record outlet. Nothing here takes a lock, logs, builds a string, or allocates for in-order
// traffic. Everything is bounded: the flow table by flows_max, streams by the reassembler's budget, protocols by their
// own limits.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "capture/packet_filter.h"
#include "capture/pipeline_flow.h"
#include "capture/record_outlet.h"
#include "capture/sources/source.h"
#include "packet/account.h"
#include "reassembly/flow_table.h"
#include "reassembly/stack/protocols.h"
#include "reassembly/tcp_stream.h"
#include "rules/engine/matcher.h"
#include "storage/write/store_writer.h"

namespace gatetape {

struct PipelineOptions {
  uint16_t worker = 0;
  int64_t start_ns = 0;              // wall time at the start, for flow ids
  bool validate_checksums = true;    // a packet with a wrong checksum is stored and counted, not reassembled
  bool midstream = true;             // follow connections whose handshake was not seen
  uint32_t flows_max = 1u << 20;     // followed at once; half a KiB each, committed when used
  bool packet_clock = false;         // the source is a file: its packets' times say when a second is over
  uint32_t packet_bytes_max = 9216;  // a longer IP packet is a super-frame: merged by an offload before the mirror
};

class Pipeline {
 public:
  // `rules` may be null (nothing is matched) and `store` too (nothing is stored). All outlive the pipeline.
  Pipeline(const PipelineOptions& options, const PacketFilter& filter, std::shared_ptr<const RuleSet> rules,
           StoreWorker* store, RecordOutlet& records);
  ~Pipeline();

  // The packets of a burst that nobody has decoded yet, all of them this worker's; or those that the distributor has
  // decoded and marked with this worker's number.
  void process(Burst& burst);
  void process_marked(const Burst& burst);

  // Between bursts, at least every 100 ms: closes old frames, hands over records, expires flows. `wall_ns` is the time
  // on the packets' own clock when the source is live, else 0: a file's clock is its packets.
  void tick(int64_t monotonic_ns, int64_t wall_ns);
  // No more packets: ends all flows and closes what is open.
  void finish();

  // Counters as of now, with what the store has settled.
  WorkerAccount account() const;
  // The same on the packets' clock: until the newest packet's time, INT64_MIN if there was none.
  AccountRecord account_by_packet_clock() const;
  // The newest packet's time, INT64_MIN if there was none.
  int64_t newest_ns() const { return newest_ns_; }

 private:
  using Flow = gatetape::Flow<PipelineFlow>;
  class Inspection;

  // A packet as the flow table needs it. Made for several packets before the first of them is looked up.
  struct FlowLookup {
    FlowKey key;
    uint64_t hash = 0;
    bool reversed = false;
    bool possible = false;  // false: not IP, no flow; the rest is then meaningless
  };
  // Packets whose flows are fetched ahead: about 700 bytes each, which must stay in the first-level cache until their
  // packet's turn comes.
  static constexpr size_t kLookAhead = 32;

  // Transactions that may end within a packet before the matcher has to look at them early.
  static constexpr size_t kKeptMax = 64;

  // The packets of these positions.
  void process(const Burst& burst, std::span<const uint8_t> mine);
  void report_account(int64_t now_ns);
  void look_ahead(const Burst& burst, std::span<const uint8_t> next);
  void packet(const Packet& packet, const DecodedPacket& decoded, const FlowLookup& lookup);
  void receive(const Packet& packet, const DecodedPacket& decoded);
  bool wanted(const Packet& packet, const DecodedPacket& decoded);
  Flow* track(const Packet& packet, const DecodedPacket& decoded, const FlowLookup& lookup, Direction& direction);
  bool inspectable(const Packet& packet, const DecodedPacket& decoded);
  void inspect(const Packet& packet, const DecodedPacket& decoded, Flow* flow, Direction direction);
  void keep(const Packet& packet, const DecodedPacket& decoded, const Flow* flow, Direction direction);
  void end_flow(Flow& flow, FlowEnd end);

  const PipelineOptions options_;
  const PacketFilter& filter_;
  StoreWorker* const store_;
  RecordOutlet& records_;
  WorkerAccount account_;
  int64_t newest_ns_ = INT64_MIN;
  int64_t next_account_ns_ = INT64_MIN;
  std::array<uint8_t, kBurstPacketsMax> mine_;  // places in the burst of those that are this worker's
  std::array<FlowLookup, kLookAhead> lookups_;
  TcpReassembler tcp_;
  Protocols protocols_;
  std::unique_ptr<Matcher> matcher_;  // null: no rules
  // Transactions that ended within the packet at hand and that the matcher has not looked at yet.
  std::array<Transaction*, kKeptMax> kept_;
  size_t kept_count_ = 0;
  FlowTable<PipelineFlow> flows_;  // last: its flows give back what they hold of the members above
};

}  // namespace gatetape
