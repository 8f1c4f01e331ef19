// Finding single records again, by the id that every table prints (packet/record_fields.h). One thread.
#pragma once

#include <string_view>
#include <vector>

#include "common/time_range.h"
#include "packet/records.h"
#include "storage/read/store_reader.h"

namespace gatetape {

// A record that owns its texts.
class KeptRecord {
 public:
  explicit KeptRecord(const Record& record);
  KeptRecord(KeptRecord&&) = default;  // the texts stay where they are
  KeptRecord& operator=(KeptRecord&&) = default;
  const Record& record() const { return record_; }

 private:
  std::vector<uint8_t> bytes_;
  Record record_;
};

// The records that have this id, or whose flow has it when none is the flow's own: at most ten. A number is taken for a
// flow_id. Reads all alerts, transactions and flows of the range.
Result<std::vector<KeptRecord>> find_records(StoreReader& reader, std::string_view id, const TimeRange& range);

// The flow that a record belongs to.
uint64_t flow_id_of(const Record& record);
// From the client to the server.
Endpoints client_to_server(const Record& record);
int64_t time_of_record(const Record& record);

}  // namespace gatetape
