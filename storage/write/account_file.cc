#include "storage/write/account_file.h"

#include <algorithm>
#include <cerrno>

#include "common/check.h"
#include "common/log.h"
#include "common/time_text.h"
#include "storage/read/last_accounts.h"
#include "storage/read/store_reader.h"

namespace gatetape {
namespace {

constexpr int64_t kBeat_ns = 1'000'000'000;

// A port's account is of now, and so always of another time.
bool same_words(const AccountRecord& a, const AccountRecord& b) {
  return std::ranges::equal(a.worker_account.words(), b.worker_account.words()) &&
         std::ranges::equal(a.port_account.words(), b.port_account.words());
}

}  // namespace

AccountFile::AccountFile(std::unique_ptr<File> file, AccountFileHeader header, size_t header_bytes)
    : file_(std::move(file)), header_(std::move(header)), header_bytes_(header_bytes), written_(header_.workers) {}

Result<std::unique_ptr<AccountFile>> AccountFile::create(FileSystem& files, const std::string& directory,
                                                         AccountFileHeader header) {
  const std::string path = directory + "/" + kAccountFileName, unfinished = path + ".new";
  if (auto removed = files.remove(unfinished); !removed && removed.error().code != ENOENT) return pass_on(removed);
  auto file = files.create(unfinished);
  if (!file) return pass_on(file);
  std::vector<uint8_t> bytes = header.serialise();
  const size_t header_bytes = bytes.size();
  bytes.resize(header.file_bytes(header_bytes));
  Result<void> made = (*file)->write_at(0, bytes);
  if (made) made = (*file)->sync();
  if (made) made = files.rename(unfinished, path);
  if (made) made = files.sync_directory(directory);
  if (!made) {
    (void)files.remove(unfinished);  // the error that counts is the first one
    return pass_on(made);
  }
  return std::unique_ptr<AccountFile>(new AccountFile(std::move(*file), std::move(header), header_bytes));
}

// The slot that is not the newest is overwritten, so that a write that breaks off leaves the newest whole.
Result<void> AccountFile::write(const AccountRecord& record, int64_t wall_ns, bool ended) {
  GT_CHECK(record.worker < written_.size());
  Written& before = written_[record.worker];
  const bool beat = wall_ns - kBeat_ns >= before.beat_ns || wall_ns < before.beat_ns || before.number == 0;
  if (!beat && !ended && same_words(record, before.record)) return {};
  const AccountSlot slot{before.number + 1, wall_ns, ended, record};
  slot.serialise(header_, slot_);
  const uint64_t offset = header_.slot_offset(header_bytes_, record.worker, static_cast<unsigned>(slot.number % 2));
  if (auto written = file_->write_at(offset, slot_.bytes()); !written) return written;
  before = {slot.number, wall_ns, record};
  return {};
}

namespace {

// More than anybody kills before one of them ends properly or has lived long enough to write its records.
constexpr size_t kCarriedMax = 256;

// The file may have been brought here. The run before this one is in the ledger and in the segments, or is newer than
// all that are.
bool is_of(const LastAccounts& last, const std::vector<StoredSegment>& segments) {
  int64_t newest_ns = INT64_MIN;
  for (const StoredSegment& segment : segments) {
    if (segment.run_uuid == last.run_uuid) return true;
    newest_ns = std::max(newest_ns, segment.run_started_ns);
  }
  return last.run_started_ns > newest_ns;
}

void say_killed(const LastAccounts& last) {
  WorkerAccount sum;
  for (const AccountRecord& record : last.accounts) sum += record.worker_account;
  log_warning(
      "the run that began {} had no proper end: {} packets received, {} stored, {} lost on their way to the disk",
      format_time(last.run_started_ns), sum[Counter::kReceived], sum[Counter::kStored], sum[Counter::kDroppedKilled]);
}

}  // namespace

Result<RecordBatch> accounts_of_killed(FileSystem& files, const std::vector<std::string>& directories) {
  RecordBatch batch;
  auto last = read_last_accounts(files, directories.front(), INT64_MAX);
  if (!last && last.error().code == ENOENT) return batch;
  if (!last) return pass_on(last);
  if (last->ended) return batch;
  auto reader = StoreReader::open(directories, files);
  if (!reader) return pass_on(reader);
  const auto segments = (*reader)->segments();
  if (!segments) return tl::unexpected<Error>(segments.error());
  if (!is_of(*last, *segments)) return fail("{}/{}: of another store", directories.front(), kAccountFileName);
  settle_killed(*last, *segments);
  say_killed(*last);
  const size_t room = kCarriedMax - std::min(kCarriedMax, last->accounts.size());
  const size_t first = last->earlier.size() - std::min(room, last->earlier.size());
  for (size_t i = first; i < last->earlier.size(); ++i) batch.append(last->earlier[i]);
  for (const AccountRecord& record : last->accounts) batch.append(record);
  return batch;
}

}  // namespace gatetape
