// The accounts that a store's account file (storage/format/account_file.h) adds to those among its records: the last
// words of a run that goes on, or that was killed before they could become records. Used by readers, and by the next
// recorder, which makes records of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "packet/records.h"
#include "storage/read/account_file_reader.h"
#include "storage/read/store_reader.h"

namespace gatetape {

struct LastAccounts {
  Uuid run_uuid{};
  int64_t run_started_ns = 0;
  bool ended = false;                   // properly: then the records have all of it, too
  bool silent = false;                  // no sign of life for AccountFileReader::kSilenceMax_ns: killed, or it hangs
  std::vector<AccountRecord> earlier;   // those of killed runs before it
  std::vector<AccountRecord> accounts;  // the run's own, by worker
};

// Fails as AccountFileReader does. `wall_ns`: now.
Result<LastAccounts> read_last_accounts(FileSystem& files, const std::string& directory, int64_t wall_ns);

// Settles what was in flight when the run was killed: packets that lie in its segments count as stored, the others as
// dropped. `segments`: all of the store.
void settle_killed(LastAccounts& last, std::span<const StoredSegment> segments);

// How many packets a worker of a run handed over that were not dropped on their way, as its newest segments say.
uint64_t packets_written(std::span<const StoredSegment> segments, const Uuid& run_uuid, uint16_t worker);

}  // namespace gatetape
