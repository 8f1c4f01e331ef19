#include "storage/read/last_accounts.h"

#include <algorithm>
#include <map>

namespace gatetape {

Result<LastAccounts> read_last_accounts(FileSystem& files, const std::string& directory, int64_t wall_ns) {
  auto reader = AccountFileReader::open(files, directory);
  if (!reader) return pass_on(reader);
  auto state = reader->read();
  if (!state) return pass_on(state);
  LastAccounts last;
  last.run_uuid = reader->header().run_uuid;
  last.run_started_ns = reader->header().run_started_ns;
  last.ended = state->ended;
  last.silent = state->beat_ns == INT64_MIN || wall_ns - state->beat_ns > AccountFileReader::kSilenceMax_ns;
  last.accounts = std::move(state->accounts);
  const auto take = [&](const Record& record) { last.earlier.push_back(std::get<AccountRecord>(record)); };
  const auto read = for_each_record(reader->header().earlier, take, record_types<AccountRecord>());
  if (!read) return fail("{}/{}: {}", directory, kAccountFileName, read.error().message);
  return last;
}

uint64_t packets_written(std::span<const StoredSegment> segments, const Uuid& run_uuid, uint16_t worker) {
  std::map<RetentionClass, const StoredSegment*> newest;
  for (const StoredSegment& segment : segments) {
    if (segment.kind != SegmentKind::kPackets || segment.worker != worker || segment.run_uuid != run_uuid) continue;
    const StoredSegment*& known = newest[segment.retention];
    if (segment.packets != 0 && (known == nullptr || known->sequence < segment.sequence)) known = &segment;
  }
  uint64_t sum = 0;
  for (const auto& [retention, segment] : newest) {
    if (segment != nullptr) sum += segment->account_added - std::min(segment->account_added, segment->account_dropped);
  }
  return sum;
}

namespace {

// A driver is asked for its counters less often than workers are for theirs. What workers received, the port did.
void catch_up(PortAccount& port, uint64_t received) {
  const uint64_t behind = received - std::min(received, port[PortCounter::kReceived]);
  port[PortCounter::kReceived] += behind;
  port[PortCounter::kOffered] += behind;
}

}  // namespace

void settle_killed(LastAccounts& last, std::span<const StoredSegment> segments) {
  uint64_t received = 0;
  for (const AccountRecord& record : last.accounts) received += record.worker_account[Counter::kReceived];
  for (AccountRecord& record : last.accounts) {
    if (record.worker == 0 && !record.of_file) catch_up(record.port_account, received);
  }
  for (AccountRecord& record : last.accounts) {
    WorkerAccount& account = record.worker_account;
    const uint64_t in_flight = account[Counter::kInFlight];
    if (in_flight == 0) continue;
    const uint64_t there = packets_written(segments, last.run_uuid, record.worker);
    const uint64_t written = std::min(in_flight, there - std::min(there, account[Counter::kStored]));
    account[Counter::kInFlight] = 0;
    account[Counter::kStored] += written;
    account[Counter::kDroppedKilled] += in_flight - written;
  }
}

}  // namespace gatetape
