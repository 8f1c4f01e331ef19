#include "packet/account_report.h"

#include "common/count_text.h"

namespace gatetape {
namespace {

std::string in_units(uint64_t count, CounterUnit unit) {
  struct Words {
    std::string_view one, several;
  };
#define GATETAPE_UNIT_WORDS(symbol, one, several) {one, several},
  static constexpr Words kWords[] = {GATETAPE_COUNTER_UNITS(GATETAPE_UNIT_WORDS)};
#undef GATETAPE_UNIT_WORDS
  const Words& words = kWords[static_cast<size_t>(unit)];
  return counted(count, words.one, words.several);
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

}  // namespace

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
