// The account: where every packet went, and what was seen on the way. It balances, exactly and at any instant:
//   on a port:    offered  = missed + received
//   on a worker:  received = stored + not stored + duplicate + cut + in flight + all filtered + all dropped
//
// All there is to count stands in packet/account_table.h, one row each; this header makes types of the rows. An account
// is an array of 64-bit words, one per row, written by one thread: account[Counter::kStored] is a plain integer, and
// adding to it is one instruction. capture/published_account.h shows copies to other threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "packet/account_table.h"
#include "packet/decode.h"

namespace gatetape {

// Where a group of counters stands in the balance, which is kWhole = sum of all parts.
enum class BalancePlace : uint8_t {
  kWhole,
  kPart,
  kPartNow,  // a part that falls again: what is in flight now
  kLoss,     // a part that is missing from the store though it was wanted
  kBeside,   // outside of the balance
  kNow,      // outside of the balance, rises and falls: what is held at the moment
};

struct CounterGroupRow {
  std::string_view name;   // names the JSON object; empty: the group's rows stand directly in the account
  std::string_view title;  // for people
  BalancePlace place;

  constexpr bool is_part() const {
    return place == BalancePlace::kPart || place == BalancePlace::kPartNow || place == BalancePlace::kLoss;
  }
  constexpr bool is_gauge() const { return place == BalancePlace::kPartNow || place == BalancePlace::kNow; }
};

#define GATETAPE_SYMBOL(symbol, ...) symbol,

enum class CounterGroup : uint8_t { GATETAPE_COUNTER_GROUPS(GATETAPE_SYMBOL) };

inline constexpr CounterGroupRow kCounterGroups[] = {
#define GATETAPE_GROUP_ROW(symbol, name, title, place) {name, title, BalancePlace::place},
    GATETAPE_COUNTER_GROUPS(GATETAPE_GROUP_ROW)
#undef GATETAPE_GROUP_ROW
};

enum class CounterUnit : uint8_t { GATETAPE_COUNTER_UNITS(GATETAPE_SYMBOL) };

struct CounterRow {
  uint16_t number;  // in stored accounts
  CounterGroup group;
  CounterUnit unit;
  std::string_view name;   // in JSON
  std::string_view words;  // for people

  constexpr const CounterGroupRow& group_row() const { return kCounterGroups[static_cast<size_t>(group)]; }
};

enum class Counter : uint8_t { GATETAPE_WORKER_COUNTERS(GATETAPE_SYMBOL) };
enum class PortCounter : uint8_t { GATETAPE_PORT_COUNTERS(GATETAPE_SYMBOL) };

#define GATETAPE_COUNTER_ROW(symbol, number, group, unit, name, words) \
  {number, CounterGroup::group, CounterUnit::unit, name, words},
inline constexpr CounterRow kWorkerCounters[] = {GATETAPE_WORKER_COUNTERS(GATETAPE_COUNTER_ROW)};
inline constexpr CounterRow kPortCounters[] = {GATETAPE_PORT_COUNTERS(GATETAPE_COUNTER_ROW)};
#undef GATETAPE_COUNTER_ROW
#undef GATETAPE_SYMBOL

// Whether no number stands twice and none is one of `retired`, and names are unique in their group.
constexpr bool counters_are_distinct(std::span<const CounterRow> rows, std::span<const uint16_t> retired) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].number > kCounterNumberMax) return false;
    if (std::find(retired.begin(), retired.end(), rows[i].number) != retired.end()) return false;
    for (size_t j = 0; j < i; ++j) {
      if (rows[i].number == rows[j].number) return false;
      if (rows[i].group_row().name == rows[j].group_row().name && rows[i].name == rows[j].name) return false;
    }
  }
  return true;
}
static_assert(counters_are_distinct(kWorkerCounters, kRetiredWorkerNumbers), "see packet/account_table.h");
static_assert(counters_are_distinct(kPortCounters, {}), "see packet/account_table.h");

// The words of one table. `Id` is its enumeration, `rows` the rows in the same order.
template <class Id, const auto& rows>
class CounterWords {
 public:
  static constexpr std::span<const CounterRow> table() { return rows; }

  constexpr uint64_t& operator[](Id id) { return words_[static_cast<size_t>(id)]; }
  constexpr uint64_t operator[](Id id) const { return words_[static_cast<size_t>(id)]; }

  // All words, in the order of table(): for what treats all counters alike.
  std::span<uint64_t, std::size(rows)> words() { return words_; }
  std::span<const uint64_t, std::size(rows)> words() const { return words_; }

  uint64_t total(CounterGroup group) const {
    uint64_t sum = 0;
    for (size_t i = 0; i < words_.size(); ++i) sum += rows[i].group == group ? words_[i] : 0;
    return sum;
  }
  bool balances() const {
    uint64_t whole = 0, parts = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      if (rows[i].group_row().place == BalancePlace::kWhole) whole += words_[i];
      if (rows[i].group_row().is_part()) parts += words_[i];
    }
    return whole == parts;
  }
  CounterWords& operator+=(const CounterWords& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] += other.words_[i];
    return *this;
  }

 private:
  std::array<uint64_t, std::size(rows)> words_{};
};

// `later` less `earlier`, both of one run. States of a moment, such as what is in flight, are zero in it. A counter
// that fell counts nothing: a store that failed takes back what it had accepted.
template <class Id, const auto& rows>
CounterWords<Id, rows> difference(const CounterWords<Id, rows>& later, const CounterWords<Id, rows>& earlier) {
  CounterWords<Id, rows> out;
  for (size_t i = 0; i < std::size(rows); ++i) {
    const uint64_t now = later.words()[i];
    if (!rows[i].group_row().is_gauge()) out.words()[i] = now - std::min(now, earlier.words()[i]);
  }
  return out;
}

using WorkerAccount = CounterWords<Counter, kWorkerCounters>;
using PortAccount = CounterWords<PortCounter, kPortCounters>;

// The account of a file as a port that misses nothing: all that the worker took.
inline PortAccount port_account_of_file(const WorkerAccount& worker) {
  PortAccount port;
  port[PortCounter::kOffered] = port[PortCounter::kReceived] = worker[Counter::kReceived];
  port[PortCounter::kReceivedBytes] = worker[Counter::kReceivedBytes];
  return port;
}

// The counter of packets that were decoded so far.
constexpr Counter counter_of(DecodeStatus status) {
  return static_cast<Counter>(static_cast<int>(Counter::kDecodedOk) + static_cast<int>(status));
}
static_assert(counter_of(DecodeStatus::kOk) == Counter::kDecodedOk);
static_assert(counter_of(DecodeStatus::kNotIp) == Counter::kDecodedNotIp);
static_assert(counter_of(DecodeStatus::kTruncatedLink) == Counter::kDecodedTruncatedLink);
static_assert(counter_of(DecodeStatus::kTruncatedNetwork) == Counter::kDecodedTruncatedNetwork);
static_assert(counter_of(DecodeStatus::kMalformedNetwork) == Counter::kDecodedMalformedNetwork);
static_assert(counter_of(DecodeStatus::kTruncatedTransport) == Counter::kDecodedTruncatedTransport);
static_assert(counter_of(DecodeStatus::kMalformedTransport) == Counter::kDecodedMalformedTransport);
static_assert(counter_of(DecodeStatus::kTooManyLayers) == Counter::kDecodedTooManyLayers);
static_assert(kDecodeStatusCount == 8, "a new status has a row in packet/account_table.h and a line here");

}  // namespace gatetape
