// Extraction: the packets that an expression selects within a time range, written to a capture file, and a statement of
// how complete that is. One thread; memory does not grow with the packets.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "expression/expression.h"
#include "storage/query/pcap_output.h"
#include "storage/query/statement.h"
#include "storage/read/store_reader.h"
#include "storage/read/stream_table.h"

namespace gatetape {

struct ExtractRequest {
  TimeRange range;
  Origin origin;
  PcapOutputOptions output;                          // interfaces and comment are filled in here
  std::function<void(const StoredPacket&)> written;  // if given, is called with each packet that went into the file
  FileSystem* files = nullptr;                       // where the stores of `origin` lie; nullptr: the system's
};

// `stop` is asked after each packet read; when it says so, nothing is left of the output file and the extraction fails.
// Precondition: `expression` is compiled. Afterwards it is resolved: index_filter_of() and explain() tell the question.
Result<ExtractStatement> extract(StoreReader& reader, Expression& expression, const ExtractRequest& request,
                                 const std::function<bool()>& stop);

// Writes the packets that are stored from now on, until `stop`, which is asked a few times a second at least, says so.
// They reach the file within half a second. There is no statement of completeness: what it returns tells the packets
// alone. Preconditions: `expression` is compiled and asks nothing of records. `request.written` is not called.
Result<ExtractStatement> follow(StoreTail& tail, Expression& expression, const ExtractRequest& request,
                                const std::function<bool()>& stop);

// The link types of the store's interfaces, for Expression::compile.
std::vector<LinkType> link_types_of(const StoreSummary& summary);

}  // namespace gatetape
