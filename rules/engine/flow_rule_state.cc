#include "rules/engine/flow_rule_state.h"

#include <algorithm>

namespace gatetape {
namespace {

constexpr size_t kFreeObjectsMax = 4096;
constexpr size_t kBodyBytesFirst = 4096;

}  // namespace

bool FlowRuleState::has_bit(FlowbitId bit) const {
  return std::binary_search(bits_.begin(), bits_.end(), bit);
}

void FlowRuleState::set_bit(FlowbitId bit) {
  const auto at = std::lower_bound(bits_.begin(), bits_.end(), bit);
  if (at != bits_.end() && *at == bit) return;
  if (bits_.size() == kFlowbitsMax) {
    ++pool_.counters.flowbits_over_limit;
    return;
  }
  bits_.insert(at, bit);
}

void FlowRuleState::unset_bit(FlowbitId bit) {
  const auto at = std::lower_bound(bits_.begin(), bits_.end(), bit);
  if (at != bits_.end() && *at == bit) bits_.erase(at);
}

TransactionState* FlowRuleState::find_transaction(uint64_t id) {
  for (TransactionState* t : transactions_) {
    if (t->id == id) return t;
  }
  return nullptr;
}

TransactionState* FlowRuleState::open_transaction(uint64_t id) {
  if (TransactionState* open = find_transaction(id)) return open;
  if (transactions_.size() == kTransactionsMax) {
    ++pool_.counters.transactions_over_limit;
    return nullptr;
  }
  return transactions_.emplace_back(pool_.acquire_transaction(id));
}

void FlowRuleState::close_transaction(uint64_t id) {
  const auto at = std::find_if(transactions_.begin(), transactions_.end(), [&](auto* t) { return t->id == id; });
  if (at == transactions_.end()) return;
  pool_.release_transaction(*at);
  transactions_.erase(at);
}

void FlowRuleState::clear() {
  for (StreamTail& side : streams_) {
    if (side.window != nullptr) pool_.release_window(side.window);
    side.pending.clear();
  }
  for (TransactionState* t : transactions_) pool_.release_transaction(t);
  transactions_.clear();
  bits_.clear();
  passed = false;
}

FlowRuleState* FlowStatePool::acquire() {
  if (free_states_.empty()) return std::make_unique<FlowRuleState>(*this).release();
  FlowRuleState* state = free_states_.back().release();
  free_states_.pop_back();
  return state;
}

void FlowStatePool::release(FlowRuleState* state) {
  std::unique_ptr<FlowRuleState> owned(state);
  owned->clear();
  if (free_states_.size() < kFreeObjectsMax) free_states_.push_back(std::move(owned));
}

void FlowStatePool::unlink(StreamWindow* window) {
  (window->newer != nullptr ? window->newer->older : newest_) = window->older;
  (window->older != nullptr ? window->older->newer : oldest_) = window->newer;
}

void FlowStatePool::link_newest(StreamWindow* window) {
  window->newer = nullptr;
  window->older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = window;
  newest_ = window;
}

StreamWindow& FlowStatePool::window_of(FlowRuleState& state, int side) {
  StreamTail& stream = state.streams_[static_cast<size_t>(side)];
  if (stream.window == newest_ && newest_ != nullptr) return *newest_;
  if (stream.window != nullptr) {
    unlink(stream.window);
    link_newest(stream.window);
    return *stream.window;
  }
  if (windows_ == kStreamWindowsMax) {
    ++counters.windows_taken_away;
    release_window(oldest_);
  }
  std::unique_ptr<StreamWindow> window;
  if (free_windows_.empty()) {
    window.reset(new StreamWindow);  // bytes stay uninitialised
  } else {
    window = std::move(free_windows_.back());
    free_windows_.pop_back();
  }
  ++windows_;
  window->owner = &state;
  window->side = static_cast<uint8_t>(side);
  window->length = 0;
  window->base = 0;
  stream.window = window.release();
  link_newest(stream.window);
  return *stream.window;
}

void FlowStatePool::release_window(StreamWindow* window) {
  unlink(window);
  --windows_;
  StreamTail& stream = window->owner->streams_[window->side];
  stream.window = nullptr;
  stream.pending.clear();
  free_windows_.emplace_back(window);
}

TransactionState* FlowStatePool::acquire_transaction(uint64_t id) {
  std::unique_ptr<TransactionState> transaction;
  if (free_transactions_.empty()) {
    transaction = std::make_unique<TransactionState>();
  } else {
    transaction = std::move(free_transactions_.back());
    free_transactions_.pop_back();
  }
  transaction->id = id;
  return transaction.release();
}

void FlowStatePool::release_transaction(TransactionState* transaction) {
  std::unique_ptr<TransactionState> owned(transaction);
  for (TransactionSide& side : owned->sides) {
    release_body(side);
    side.pending.clear();
    side.retain = side.done = false;
  }
  if (free_transactions_.size() < kFreeObjectsMax) free_transactions_.push_back(std::move(owned));
}

bool FlowStatePool::append_body(TransactionSide& side, std::span<const uint8_t> bytes) {
  std::vector<uint8_t>& body = side.body;
  const size_t wanted = std::min(body.size() + bytes.size(), kBodyBytesInspected);
  if (body.capacity() == 0 && !free_bodies_.empty()) {
    body = std::move(free_bodies_.back());
    free_bodies_.pop_back();
    idle_body_bytes_ -= body.capacity();
    body_bytes_ += body.capacity();
  }
  if (body.capacity() < wanted) {
    const size_t capacity = std::min(std::max({wanted, body.capacity() * 2, kBodyBytesFirst}), kBodyBytesInspected);
    if (body_bytes_ + capacity - body.capacity() > kBodyBytesBudget) {
      ++counters.bodies_over_budget;
      return false;
    }
    body_bytes_ -= body.capacity();
    body.reserve(capacity);
    body_bytes_ += body.capacity();
  }
  body.insert(body.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(wanted - body.size()));
  return body.size() < kBodyBytesInspected;
}

void FlowStatePool::release_body(TransactionSide& side) {
  const size_t capacity = side.body.capacity();
  if (capacity == 0) return;
  body_bytes_ -= capacity;
  if (idle_body_bytes_ + capacity <= kBodyBytesIdle) {
    idle_body_bytes_ += capacity;
    side.body.clear();
    free_bodies_.push_back(std::move(side.body));
  }
  std::vector<uint8_t>().swap(side.body);
}

}  // namespace gatetape
