// The counters of a pipeline's parts, added to the account. Called by the pipeline whenever its account is asked for.
// Protocols count themselves (reassembly/protocol.h).
//
// Each function names every counter of its part: one that is added to the part does not compile here until it is named,
// and has its row in packet/account_table.h.
#pragma once

#include "packet/account.h"
#include "reassembly/flow_table.h"
#include "reassembly/tcp_stream.h"
#include "rules/engine/matcher.h"
#include "storage/write/store_writer.h"

namespace gatetape {

void add_counters(WorkerAccount& account, const StoreCounts& counts);
void add_counters(WorkerAccount& account, const TcpReassembler& tcp);  // with what waits behind holes
void add_counters(WorkerAccount& account, const MatcherCounters& counters);
void add_counters(WorkerAccount& account, const FlowTableCounters& counters);

}  // namespace gatetape
