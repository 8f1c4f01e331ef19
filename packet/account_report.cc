#include "packet/account_report.h"

#include <iterator>
#include <type_traits>

#include "common/count_text.h"

namespace gatetape {

std::string_view unit_words(CounterUnit unit, uint64_t count) {
  struct Words {
    std::string_view one, several;
  };
#define GATETAPE_UNIT_WORDS(symbol, one, several) {one, several},
  static constexpr Words kWords[] = {GATETAPE_COUNTER_UNITS(GATETAPE_UNIT_WORDS)};
#undef GATETAPE_UNIT_WORDS
  const Words& words = kWords[static_cast<size_t>(unit)];
  return count == 1 ? words.one : words.several;
}

namespace {

std::string in_units(uint64_t count, CounterUnit unit) {
  return fmt::format("{} {}", format_count(count), unit_words(unit, count));
}

// The fields of one group, in an object if it has a name.
template <class Account>
void append_group(JsonWriter& json, const Account& account, CounterGroup group) {
  const std::string_view name = kCounterGroups[static_cast<size_t>(group)].name;
  if (!name.empty()) json.begin_object(name);
  for (size_t i = 0; i < account.table().size(); ++i) {
    if (account.table()[i].group == group) json.field(account.table()[i].name, account.words()[i]);
  }
  if (!name.empty()) json.end_object();
}

template <class Account>
void append_groups(JsonWriter& json, const Account& account, bool of_balance) {
  for (size_t g = 0; g < std::size(kCounterGroups); ++g) {
    const CounterGroupRow& group = kCounterGroups[g];
    const bool in_balance = group.is_part() || group.place == BalancePlace::kWhole;
    if (in_balance == of_balance) append_group(json, account, static_cast<CounterGroup>(g));
  }
}

template <class Account>
std::vector<std::string> losses_of(const Account& account) {
  std::vector<std::string> out;
  for (size_t i = 0; i < account.table().size(); ++i) {
    const CounterRow& row = account.table()[i];
    const CounterGroupRow& group = row.group_row();
    if (group.place != BalancePlace::kLoss || account.words()[i] == 0) continue;
    const std::string count = in_units(account.words()[i], row.unit);
    out.push_back(group.name.empty() ? fmt::format("{} {}", count, row.words)
                                     : fmt::format("{} {} ({}): {}", count, group.name, row.name, row.words));
  }
  return out;
}

constexpr int kLabelWidth = 50, kValueWidth = 18;

void append_line(std::string& out, int indent, std::string_view label, std::string_view value, std::string_view rest) {
  fmt::format_to(std::back_inserter(out), "{:{}}{:<{}}{:>{}}{}{}\n", "", indent, label, kLabelWidth - indent, value,
                 kValueWidth, rest.empty() ? "" : " ", rest);
}

// Parts that are told even when they are zero: that nothing was lost is news.
template <class Account>
bool is_told(const CounterRow& row, uint64_t value) {
  if (value != 0) return true;
  const auto is = [&](auto id) { return &row == &Account::table()[static_cast<size_t>(id)]; };
  if constexpr (std::is_same_v<Account, PortAccount>) {
    return is(PortCounter::kMissed) || is(PortCounter::kReceived);
  } else {
    return is(Counter::kStored);
  }
}

template <class Account>
void append_sum(std::string& out, const Account& account, bool claim) {
  for (size_t i = 0; i < account.table().size(); ++i) {
    const CounterRow& row = account.table()[i];
    const CounterGroupRow& group = row.group_row();
    const uint64_t value = account.words()[i];
    const std::string count = format_count(value);
    if (group.place == BalancePlace::kWhole) {
      const std::string_view noun = value == 1 ? "packet" : "packets";
      append_line(out, 2, row.words, count,
                  fmt::format("{}{}", noun, claim && !account.balances() ? "   DOES NOT BALANCE" : ""));
    } else if (group.is_part() && is_told<Account>(row, value)) {
      append_line(out, 4, group.name.empty() ? row.words : fmt::format("{} ({})", group.name, row.name), count,
                  group.name.empty() ? "" : fmt::format("  {}", row.words));
    }
  }
}

}  // namespace

void append_balance_text(std::string& out, const PortAccount* port, const WorkerAccount& account, bool claim) {
  if (port != nullptr) {
    append_sum(out, *port, claim);
    const uint64_t refused = (*port)[PortCounter::kErrors];
    if (refused != 0)
      append_line(out, 2, "refused as damaged", format_count(refused), refused == 1 ? "packet" : "packets");
  }
  append_sum(out, account, claim);
  if (account.total(CounterGroup::kDropped) == 0) append_line(out, 4, "dropped", "0", "");
}

void append_beside_balance_text(std::string& out, const WorkerAccount& account) {
  for (size_t g = 0; g < std::size(kCounterGroups); ++g) {
    const auto group = static_cast<CounterGroup>(g);
    const CounterGroupRow& about = kCounterGroups[g];
    if (about.is_part() || about.place == BalancePlace::kWhole) continue;
    // That there was no alert is news; of other groups what is zero is left out.
    const bool all = group == CounterGroup::kSeen;
    if (!all && account.total(group) == 0) continue;
    fmt::format_to(std::back_inserter(out), "\n{}\n", about.title);
    for (size_t i = 0; i < account.table().size(); ++i) {
      const CounterRow& row = account.table()[i];
      const uint64_t value = account.words()[i];
      if (row.group != group || (value == 0 && !all)) continue;
      const std::string_view unit = unit_words(row.unit, value);
      append_line(out, 2, row.words, format_count(value), unit == row.words || all ? "" : unit);
    }
  }
}

std::string seen_text(const WorkerAccount& account) {
  std::string out;
  for (size_t i = 0; i < account.table().size(); ++i) {
    const CounterRow& row = account.table()[i];
    if (row.group != CounterGroup::kSeen) continue;
    fmt::format_to(std::back_inserter(out), "{}{}", out.empty() ? "" : ", ", in_units(account.words()[i], row.unit));
  }
  return out;
}

void append_balance(JsonWriter& json, const WorkerAccount& account) {
  append_groups(json, account, true);
}

void append_beside_balance(JsonWriter& json, const WorkerAccount& account) {
  append_groups(json, account, false);
}

void append_account(JsonWriter& json, const WorkerAccount& account) {
  append_balance(json, account);
  json.field("balances", account.balances());
  append_beside_balance(json, account);
}

void append_account(JsonWriter& json, const PortAccount& account) {
  for (size_t i = 0; i < account.table().size(); ++i) json.field(account.table()[i].name, account.words()[i]);
  json.field("balances", account.balances());
}

std::vector<std::string> losses(const PortAccount& account) {
  return losses_of(account);
}

std::vector<std::string> losses(const WorkerAccount& account) {
  return losses_of(account);
}

}  // namespace gatetape
