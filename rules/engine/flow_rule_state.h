// The memory that matching has of a flow: flowbits, the last bytes of each direction's stream, and of each open HTTP
// transaction which rules still wait and the part of the body that is inspected.
//
// Everything comes from a FlowStatePool, one per matcher, that recycles it and bounds it: windows and body bytes have
// budgets, and when one is used up the longest unused window is taken away (matches then do not span what it held), and
// a body is inspected with what is there.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "packet/flow_key.h"
#include "rules/engine/flowbit_names.h"

namespace gatetape {

class FlowStatePool;
class FlowRuleState;

inline constexpr size_t kStreamRetainedBytes = 2560;       // a match can look back so far, at least
inline constexpr size_t kStreamWindowBytes = 8192 + 1536;  // and one more packet of usual size
inline constexpr size_t kStreamWindowsMax = 8192;
inline constexpr uint64_t kStreamBytesInspected = 1u << 20;  // in each direction, Suricata's default
inline constexpr size_t kPendingStreamRulesMax = 32;
inline constexpr size_t kPendingRulesMax = 512;            // for one side of a transaction
inline constexpr size_t kTransactionsMax = 64;             // open at a time in a flow, with state here
inline constexpr size_t kFlowbitsMax = 64;                 // set at a time in a flow
inline constexpr size_t kBodyBytesInspected = 100u << 10;  // in each body, Suricata's default
inline constexpr size_t kBodyBytesBudget = 128u << 20;
inline constexpr size_t kBodyBytesIdle = 16u << 20;  // kept allocated for the next bodies

// The end of one direction's stream, contiguous.
struct StreamWindow {
  StreamWindow* newer = nullptr;
  StreamWindow* older = nullptr;
  FlowRuleState* owner = nullptr;
  uint8_t side = 0;
  uint32_t length = 0;
  uint64_t base = 0;  // stream offset of bytes[0]
  std::array<uint8_t, kStreamWindowBytes> bytes;

  uint64_t end() const { return base + length; }
  std::span<const uint8_t> view() const { return {bytes.data(), length}; }
};

// A rule whose literal was found, but not yet the rest; it may still come while the literal is in the window.
struct PendingStreamRule {
  uint32_t rule = 0;
  uint64_t literal_end = 0;  // stream offset
};

struct StreamTail {
  StreamWindow* window = nullptr;
  std::vector<PendingStreamRule> pending;
};

struct TransactionSide {
  std::vector<uint32_t> pending;  // rules whose literal was in the head, and that wait for the body
  std::vector<uint8_t> body;
  bool retain = false;  // a rule still wants more of the body
  bool done = false;    // the body was inspected
};

struct TransactionState {
  uint64_t id = 0;
  std::array<TransactionSide, 2> sides;
};

class FlowRuleState {
 public:
  explicit FlowRuleState(FlowStatePool& pool) : pool_(pool) {}

  FlowStatePool& pool() const { return pool_; }
  std::array<StreamTail, 2>& streams() { return streams_; }

  bool has_bit(FlowbitId bit) const;
  void set_bit(FlowbitId bit);  // silently full at kFlowbitsMax; the pool counts
  void unset_bit(FlowbitId bit);

  // Null when there is none, or no room for one more.
  TransactionState* find_transaction(uint64_t id);
  TransactionState* open_transaction(uint64_t id);
  void close_transaction(uint64_t id);

  bool passed = false;  // a pass rule matched: nothing more is inspected

 private:
  friend class FlowStatePool;
  void clear();

  FlowStatePool& pool_;
  std::array<StreamTail, 2> streams_;
  std::vector<FlowbitId> bits_;  // sorted
  std::vector<TransactionState*> transactions_;
};

struct FlowStateCounters {
  uint64_t windows_taken_away = 0;
  uint64_t bodies_over_budget = 0;
  uint64_t transactions_over_limit = 0;
  uint64_t flowbits_over_limit = 0;
  uint64_t pending_over_limit = 0;
};

class FlowStatePool {
 public:
  FlowRuleState* acquire();
  void release(FlowRuleState* state);

  // The side's window, newest in line; takes the oldest of all when there are kStreamWindowsMax.
  StreamWindow& window_of(FlowRuleState& state, int side);
  void release_window(StreamWindow* window);

  TransactionState* acquire_transaction(uint64_t id);
  void release_transaction(TransactionState* transaction);
  // Appends at most up to kBodyBytesInspected; false when the body is full or the budget is used up.
  bool append_body(TransactionSide& side, std::span<const uint8_t> bytes);
  void release_body(TransactionSide& side);

  FlowStateCounters counters;

 private:
  void unlink(StreamWindow* window);
  void link_newest(StreamWindow* window);

  std::vector<std::unique_ptr<FlowRuleState>> free_states_;
  std::vector<std::unique_ptr<TransactionState>> free_transactions_;
  std::vector<std::unique_ptr<StreamWindow>> free_windows_;
  std::vector<std::vector<uint8_t>> free_bodies_;
  StreamWindow* newest_ = nullptr;
  StreamWindow* oldest_ = nullptr;
  size_t windows_ = 0;          // in use
  size_t body_bytes_ = 0;       // capacity in use
  size_t idle_body_bytes_ = 0;  // capacity in free_bodies_
};

}  // namespace gatetape
