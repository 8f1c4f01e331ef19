// The account as JSON and as text, made from the rows of packet/account_table.h: a row that is added there is printed
// here without a further word. Pure functions, any thread.
#pragma once

#include <string>
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

// --- text ---

// What an extract must own up to, one sentence part each, only what is not zero:
// "4 packets dropped (store_queue_full): the disk was slower than the traffic".
std::vector<std::string> losses(const PortAccount& account);
std::vector<std::string> losses(const WorkerAccount& account);

}  // namespace gatetape
