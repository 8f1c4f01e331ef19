// Records as EVE JSON: the fields, names and types of Suricata's eve.json (https://docs.suricata.io, "EVE JSON
// format"), so that what reads Suricata's log reads ours. What Suricata has no word for stands in an object "gatetape".
//
// Pure functions over a record; any thread. About 100 bytes of JSON beyond the record's own strings; nothing is cut.
#pragma once

#include <string>

#include "packet/records.h"

namespace gatetape {

// Appends one JSON object, without a newline. event_type is "http", "flow", "alert", "stats" (AccountRecord) or
// "engine" (EventRecord). Times are UTC with microseconds, as Suricata writes them; pcap_cnt is the packet's ordinal
// plus one.
void append_eve(std::string& out, const Record& record);

}  // namespace gatetape
