// The account as JSON and as text, made from the rows of packet/account_table.h: a row that is added there is printed
// here without a further word. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json_writer.h"
#include "packet/account.h"

namespace gatetape {

// --- JSON: fields of the object that is open ---

// The terms of the balance: received, stored, ... as numbers, then filtered{} and dropped{}.
void append_balance(JsonWriter& json, const WorkerAccount& account);
// The terms of the balance; `balances`; then an object for each further group.
void append_account(JsonWriter& json, const WorkerAccount& account);
// One object for each group that is outside of the balance.
void append_beside_balance(JsonWriter& json, const WorkerAccount& account);
// All counters of a port, as numbers, and `balances`.
void append_account(JsonWriter& json, const PortAccount& account);

// Returns what a counter counts, for a text: "packet" or "packets". Of static storage.
std::string_view unit_words(CounterUnit unit, uint64_t count);

// --- text: whole lines for people, with units, plurals and thousands separators ---

// The balance as a sum that can be checked by eye: received, and below it all that became of it; rare parts only when
// they are not zero. `port` is null when the source was a file, which no driver can miss packets of. `claim` says on
// the lines of both sums when they do not balance; it must be false for a span of time, whose packets in flight are
// left out.
void append_balance_text(std::string& out, const PortAccount* port, const WorkerAccount& account, bool claim = true);
// All other groups with their titles, as far as they counted anything.
void append_beside_balance_text(std::string& out, const WorkerAccount& account);
// Returns a summary of what was seen, in one line without an end: "3 HTTP transactions, 1 flow, 0 alerts".
std::string seen_text(const WorkerAccount& account);

// Returns the losses that an extract must state, a part of a sentence for each that is not zero:
// "4 packets dropped (store_queue_full): the disk was slower than the traffic".
std::vector<std::string> losses(const PortAccount& account);
std::vector<std::string> losses(const WorkerAccount& account);

}  // namespace gatetape
