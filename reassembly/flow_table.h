// The flows a worker knows, by 5-tuple and VLAN, each with the caller's State.
//
// Bounded: `flows_max` flows, in storage reserved at start and committed as it is used; addresses are stable while a
// flow lives. When the table is full, the oldest flow of the least valuable crowded class makes room (evict_class).
// Nothing is allocated by the table after its construction; State is constructed when a flow begins and destroyed when
// it ends.
//
// Time is packet time and may step back: the table's clock is the latest time it was told. A flow ends between one and
// nine eighths of its class's timeout after its last packet: to spare two cache misses per packet, its place in the
// list of its class is renewed only every eighth of the timeout.
//
// One thread. Every flow that was created is handed to an `on_end(Flow<State>&, FlowEnd)` exactly once, and is gone
// after it: on_end must not call the table.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "common/check.h"
#include "packet/flow_key.h"
#include "packet/packet.h"
#include "packet/records.h"
#include "reassembly/flow_index.h"
#include "reassembly/lazy_array.h"

namespace gatetape {

// Classes of flows, which decide on their timeout. In this order flows are evicted when the table is full.
enum class FlowClass : uint8_t { kTcpClosed, kOther, kUdp, kTcpNew, kTcpEstablished };
inline constexpr int kFlowClassCount = 5;

inline FlowClass initial_class(uint32_t protocol) {
  if (protocol == kProtocolTcp) return FlowClass::kTcpNew;
  return protocol == kProtocolUdp ? FlowClass::kUdp : FlowClass::kOther;
}

struct FlowTableOptions {
  uint32_t flows_max = 1u << 18;
  uint16_t worker = 0;     // below 256; makes flow ids unique among workers
  int64_t start_ns = 0;    // wall time of the start; makes flow ids unique among runs
  uint64_t hash_seed = 0;  // keys the hash; random in production, fixed in tests
  // Seconds, by FlowClass.
  std::array<uint32_t, kFlowClassCount> timeout_s = {5, 30, 30, 60, 600};
};

template <class State>
struct alignas(64) Flow {
  FlowKey key;
  // The table's own.
  uint32_t newer = 0;
  uint32_t older = 0;
  FlowClass flow_class = FlowClass::kOther;
  FlowEnd close_cause = FlowEnd::kClosed;  // valid in class kTcpClosed
  // Set by the caller when the flow begins, changed when it learns better.
  bool client_is_high = false;  // the client is the high side of the key
  int64_t queued_ns = 0;        // the table's own: when its place in the list was renewed

  uint64_t flow_id = 0;           // not 0, below 2^53: JSON readers keep it exact
  int64_t last_timestamp_ns = 0;  // the latest, where time stepped back
  uint64_t last_ordinal = 0;
  uint64_t packets[2] = {0, 0};    // by Direction
  uint64_t bytes[2] = {0, 0};      // on the wire
  int64_t first_timestamp_ns = 0;  // the earliest
  uint64_t first_ordinal = 0;
  State state;

  // `reversed` as FlowKey::from gave it for a packet.
  Direction direction(bool reversed) const {
    return reversed == client_is_high ? Direction::kToServer : Direction::kToClient;
  }
};

struct FlowTableCounters {
  uint64_t created = 0;
  uint64_t evicted = 0;  // ended by kEvicted: the table was full
  uint64_t expired = 0;  // ended by a timeout, those closed before included
};

template <class State>
class FlowTable {
 public:
  using Entry = Flow<State>;

  explicit FlowTable(const FlowTableOptions& options)
      : options_(options), index_(options.flows_max), entries_(options.flows_max) {
    GT_CHECK(options.flows_max > 0 && options.worker < 256);
    // 8 bits of worker and 45 bits that count up from the start time in units of 1/64 ms: unique among runs while fewer
    // than 64,000 flows per second begin on a worker, on average over its life.
    next_flow_id_ = static_cast<uint64_t>(options.start_ns) / 15625 & kFlowCounterMask;
    for (int c = 0; c < kFlowClassCount; ++c) {
      timeout_ns_[c] = int64_t{options.timeout_s[c]} * 1'000'000'000;
    }
  }
  ~FlowTable() {
    drain([](Entry&, FlowEnd) {});
  }
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;

  // Computed once per packet and passed to the calls below. Keyed by the seed.
  uint64_t hash(const FlowKey& key) const;
  // For a burst, each step over all its packets: prefetch(), then prefetch_flow(), then, if the State leads on to other
  // memory, likely() and prefetch that; then look the flows up. With a million flows every step is a cache miss saved.
  void prefetch(uint64_t hash) const { index_.prefetch(hash); }
  void prefetch_flow(uint64_t hash) const;
  // The flow that has this hash, almost certainly: its key is not compared. nullptr when there is none.
  const Entry* likely(uint64_t hash) const {
    const uint32_t slot = index_.likely_slot(hash);
    return slot == kNone ? nullptr : &entries_[slot];
  }

  Entry* find(const FlowKey& key, uint64_t hash) const;
  // The flow of this key; `created` says that it began now: the caller then sets client_is_high. When the table is
  // full, `on_end` is given the flow that makes room.
  template <class OnEnd>
  Entry* find_or_create(const FlowKey& key, uint64_t hash, const Packet& packet, bool& created, OnEnd&& on_end);

  // Counts a packet of the flow and keeps the flow alive.
  void touch(Entry& flow, const Packet& packet, Direction direction);
  // Changes the timeout that holds for the flow: kTcpEstablished after the handshake.
  void set_class(Entry& flow, FlowClass flow_class) {
    if (flow.flow_class != flow_class) move(flow, flow_class);
  }
  // The connection is over (kClosed, kReset). The flow stays a few seconds for what trails behind, then ends so.
  void close(Entry& flow, FlowEnd cause) {
    flow.close_cause = cause;
    set_class(flow, FlowClass::kTcpClosed);
  }
  // Ends the flow now: another connection of the same addresses and ports has begun.
  template <class OnEnd>
  void end(Entry& flow, FlowEnd cause, OnEnd&& on_end);

  // Ends at most `flows_max` flows whose time is over. Once per burst, with its packet time. Returns how many it ended.
  template <class OnEnd>
  uint32_t expire(int64_t now_ns, uint32_t flows_max, OnEnd&& on_end);
  // Ends all flows, oldest first within each class.
  template <class OnEnd>
  void drain(OnEnd&& on_end);

  uint32_t size() const { return size_; }
  uint32_t flows_max() const { return options_.flows_max; }
  const FlowTableCounters& counters() const { return counters_; }

 private:
  static constexpr uint32_t kNone = FlowIndex::kNone;
  static constexpr uint64_t kFlowCounterMask = (uint64_t{1} << 45) - 1;
  static constexpr int kRenewalsPerTimeout = 8;

  struct List {
    uint32_t oldest = kNone;
    uint32_t newest = kNone;
    uint32_t size = 0;
  };

  List& list_of(FlowClass c) { return lists_[static_cast<int>(c)]; }
  uint32_t slot_of(const Entry& flow) const { return static_cast<uint32_t>(&flow - entries_.data()); }
  FlowEnd end_of(const Entry& flow, FlowEnd otherwise) const {
    return flow.flow_class == FlowClass::kTcpClosed ? flow.close_cause : otherwise;
  }
  uint64_t new_flow_id();
  uint32_t take_slot();
  FlowClass evict_class() const;
  void link(Entry& flow);
  void unlink(Entry& flow);
  void move(Entry& flow, FlowClass flow_class);

  FlowTableOptions options_;
  FlowIndex index_;
  LazyArray<Entry> entries_;
  std::array<List, kFlowClassCount> lists_{};
  std::array<int64_t, kFlowClassCount> timeout_ns_{};
  int64_t clock_ns_ = INT64_MIN / 2;
  uint64_t next_flow_id_ = 0;
  uint32_t size_ = 0;
  uint32_t slots_used_ = 0;      // slots below this were used once
  uint32_t free_slots_ = kNone;  // chained through Entry::newer
  FlowTableCounters counters_;
};

template <class State>
uint64_t FlowTable<State>::hash(const FlowKey& key) const {
  // Multiply-and-fold over six words (the last overlaps its neighbour).
  uint64_t word[6];
  std::memcpy(word, &key, 40);
  std::memcpy(&word[5], reinterpret_cast<const uint8_t*>(&key) + sizeof(FlowKey) - 8, 8);
  __extension__ using Product = unsigned __int128;
  const auto fold = [](uint64_t a, uint64_t b) {
    const Product product = static_cast<Product>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  const uint64_t seed = options_.hash_seed ^ 0x9e3779b97f4a7c15;
  const uint64_t first = fold(word[0] ^ seed, word[1] ^ 0xa0761d6478bd642f);
  const uint64_t second = fold(word[2] ^ seed, word[3] ^ 0xe7037ed1a0b428db);
  const uint64_t third = fold(word[4] ^ seed, word[5] ^ 0x8ebc6af09c88c6e3);
  return fold(first ^ second ^ 0x589965cc75374cc3, third ^ seed);
}

template <class State>
void FlowTable<State>::prefetch_flow(uint64_t hash) const {
  const char* line = reinterpret_cast<const char*>(likely(hash));
  if (line == nullptr) return;
  constexpr size_t kLinesMax = 9;  // State's rare parts should lie behind
  for (size_t i = 0; i < std::min(kLinesMax, sizeof(Entry) / 64); ++i) __builtin_prefetch(line + 64 * i, 1);
}

template <class State>
Flow<State>* FlowTable<State>::find(const FlowKey& key, uint64_t hash) const {
  const uint32_t slot = index_.find(hash, [&](uint32_t s) { return entries_[s].key == key; });
  return slot == kNone ? nullptr : &entries_[slot];
}

template <class State>
template <class OnEnd>
Flow<State>* FlowTable<State>::find_or_create(const FlowKey& key, uint64_t hash, const Packet& packet, bool& created,
                                              OnEnd&& on_end) {
  Entry* found = find(key, hash);
  created = found == nullptr;
  if (!created) return found;

  if (size_ == options_.flows_max) {
    Entry& victim = entries_[list_of(evict_class()).oldest];
    const FlowEnd cause = end_of(victim, FlowEnd::kEvicted);
    counters_.evicted += cause == FlowEnd::kEvicted;
    end(victim, cause, on_end);
  }
  const uint32_t slot = take_slot();
  Entry& flow = *std::construct_at(&entries_[slot]);
  flow.key = key;
  flow.flow_id = new_flow_id();
  flow.flow_class = initial_class(key.protocol);
  flow.first_timestamp_ns = flow.last_timestamp_ns = packet.timestamp_ns;
  flow.first_ordinal = flow.last_ordinal = packet.ordinal;
  clock_ns_ = std::max(clock_ns_, packet.timestamp_ns);
  link(flow);
  index_.insert(hash, slot);
  ++size_;
  ++counters_.created;
  return &flow;
}

template <class State>
void FlowTable<State>::touch(Entry& flow, const Packet& packet, Direction direction) {
  const int i = gatetape::index(direction);
  ++flow.packets[i];
  flow.bytes[i] += packet.wire_length;
  flow.first_timestamp_ns = std::min(flow.first_timestamp_ns, packet.timestamp_ns);
  flow.last_timestamp_ns = std::max(flow.last_timestamp_ns, packet.timestamp_ns);
  flow.last_ordinal = packet.ordinal;
  clock_ns_ = std::max(clock_ns_, packet.timestamp_ns);
  const int64_t timeout_ns = timeout_ns_[static_cast<int>(flow.flow_class)];
  if (clock_ns_ - flow.queued_ns > timeout_ns / kRenewalsPerTimeout) move(flow, flow.flow_class);
}

template <class State>
template <class OnEnd>
void FlowTable<State>::end(Entry& flow, FlowEnd cause, OnEnd&& on_end) {
  on_end(flow, cause);
  const uint32_t slot = slot_of(flow);
  index_.erase(hash(flow.key), slot);
  unlink(flow);
  std::destroy_at(&flow);
  flow.newer = free_slots_;
  free_slots_ = slot;
  --size_;
}

template <class State>
template <class OnEnd>
uint32_t FlowTable<State>::expire(int64_t now_ns, uint32_t flows_max, OnEnd&& on_end) {
  clock_ns_ = std::max(clock_ns_, now_ns);
  uint32_t ended = 0;
  for (int c = 0; c < kFlowClassCount; ++c) {
    const int64_t age_ns = timeout_ns_[c] + timeout_ns_[c] / kRenewalsPerTimeout;
    while (ended < flows_max && lists_[c].oldest != kNone) {
      Entry& flow = entries_[lists_[c].oldest];
      if (clock_ns_ - flow.queued_ns < age_ns) break;
      end(flow, end_of(flow, FlowEnd::kTimeout), on_end);
      ++ended;
    }
  }
  counters_.expired += ended;
  return ended;
}

template <class State>
template <class OnEnd>
void FlowTable<State>::drain(OnEnd&& on_end) {
  for (List& list : lists_) {
    while (list.oldest != kNone) {
      Entry& flow = entries_[list.oldest];
      end(flow, end_of(flow, FlowEnd::kShutdown), on_end);
    }
  }
}

template <class State>
uint64_t FlowTable<State>::new_flow_id() {
  next_flow_id_ = (next_flow_id_ + 1) & kFlowCounterMask;
  if (next_flow_id_ == 0) next_flow_id_ = 1;
  return uint64_t{options_.worker} << 45 | next_flow_id_;
}

template <class State>
uint32_t FlowTable<State>::take_slot() {
  if (free_slots_ == kNone) return slots_used_++;
  const uint32_t slot = free_slots_;
  free_slots_ = entries_[slot].newer;
  return slot;
}

// A class that fills less than a sixteenth of the table is spared, but for closed flows: a flood of new connections
// must not push out established ones, nor a table of idle established ones every new connection before its handshake is
// done.
template <class State>
FlowClass FlowTable<State>::evict_class() const {
  const uint32_t share = std::max(options_.flows_max / 16, 1u);
  if (lists_[static_cast<int>(FlowClass::kTcpClosed)].size > 0) return FlowClass::kTcpClosed;
  for (int c = 0; c < kFlowClassCount; ++c) {
    if (lists_[c].size >= share) return static_cast<FlowClass>(c);
  }
  GT_CHECK(!"unreachable: a full table has a class with a sixteenth of its flows");
  __builtin_unreachable();
}

template <class State>
void FlowTable<State>::link(Entry& flow) {
  List& list = list_of(flow.flow_class);
  const uint32_t slot = slot_of(flow);
  flow.queued_ns = clock_ns_;
  flow.older = list.newest;
  flow.newer = kNone;
  (list.newest == kNone ? list.oldest : entries_[list.newest].newer) = slot;
  list.newest = slot;
  ++list.size;
}

template <class State>
void FlowTable<State>::unlink(Entry& flow) {
  List& list = list_of(flow.flow_class);
  (flow.older == kNone ? list.oldest : entries_[flow.older].newer) = flow.newer;
  (flow.newer == kNone ? list.newest : entries_[flow.newer].older) = flow.older;
  --list.size;
}

template <class State>
void FlowTable<State>::move(Entry& flow, FlowClass flow_class) {
  unlink(flow);
  flow.flow_class = flow_class;
  link(flow);
}

}  // namespace gatetape
