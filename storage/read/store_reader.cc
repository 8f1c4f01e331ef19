#include "storage/read/store_reader.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "common/clock.h"
#include "storage/read/last_accounts.h"
#include "storage/read/record_reader.h"
#include "storage/read/segment_directory.h"
#include "storage/read/stream_table.h"

namespace gatetape {
namespace {

class DirectoryStoreReader : public StoreReader {
 public:
  DirectoryStoreReader(FileSystem& files, std::vector<std::string> directories)
      : files_(files), table_(files, std::move(directories)) {}

  Result<ReadStatistics> packets(const StoreQuery& query,
                                 const std::function<bool(const StoredPacket&)>& visit) override {
    return table_.packets(query, visit);
  }
  Result<ReadStatistics> records(const RecordQuery& query, const std::function<bool(const Record&)>& visit) override;
  Result<StoreSummary> summary() override;
  Result<std::vector<StoredSegment>> segments() override;

 private:
  void visit_last_accounts(const std::string& directory, const RecordQuery& query, const RunsSeen& runs,
                           ReadStatistics& statistics, const std::function<bool(const Record&)>& visit);
  FileSystem& files_;
  StreamTable table_;
  std::optional<StoreSummary> summary_;
};

Result<ReadStatistics> DirectoryStoreReader::records(const RecordQuery& query,
                                                     const std::function<bool(const Record&)>& visit) {
  ReadStatistics statistics;
  auto files = table_.segments(statistics);
  if (!files) return pass_on(files);
  RunsSeen runs;
  for (const SegmentPath& file : *files) {
    if (file.kind == SegmentKind::kRecords && !read_records(files_, file.path, query, statistics, runs, visit))
      return statistics;
  }
  if ((query.types & record_types<AccountRecord>()) == 0) return statistics;
  for (const std::string& directory : table_.directories())
    visit_last_accounts(directory, query, runs, statistics, visit);
  return statistics;
}

// The file is an addition: without it, or with one that cannot be read, the accounts among the records stand alone, and
// a run that was killed has no end. One that names an old run which is not this store's was brought here.
void DirectoryStoreReader::visit_last_accounts(const std::string& directory, const RecordQuery& query,
                                               const RunsSeen& runs, ReadStatistics& statistics,
                                               const std::function<bool(const Record&)>& visit) {
  auto last = read_last_accounts(files_, directory, wall_clock_ns());
  if (!last) {
    if (last.error().code != ENOENT) statistics.damage.push_back(last.error().message);
    return;
  }
  if (!runs.uuids.contains(last->run_uuid) && last->run_started_ns <= runs.newest_started_ns) {
    statistics.damage.push_back(fmt::format("{}/{}: of another store: left alone", directory, kAccountFileName));
    return;
  }
  const auto in_flight = [](const AccountRecord& record) { return record.worker_account[Counter::kInFlight] != 0; };
  if (last->silent && !last->ended && std::ranges::any_of(last->accounts, in_flight)) {
    if (const auto all = segments()) settle_killed(*last, *all);
  }
  for (const auto* accounts : {&last->earlier, &last->accounts}) {
    for (const AccountRecord& account : *accounts) {
      if (is_asked_for(account, query) && !visit(account)) return;
    }
  }
}

Result<StoreSummary> DirectoryStoreReader::summary() {
  if (summary_) return *summary_;
  std::vector<ForeignEntry> foreign;
  auto files = table_.list_once(foreign);
  if (!files) return pass_on(files);
  StoreSummary sum;
  for (const SegmentPath& file : *files) {
    auto segment = open_segment(files_, file.path, sum.read);
    if (segment == nullptr) continue;
    sum.stored_bytes += segment->file_bytes();
    if (file.kind != SegmentKind::kPackets) continue;
    const SegmentSummary one = segment->summary();
    sum.segments++;
    sum.segments_open += !segment->sealed();
    table_.interface_ids(segment->header(), file.path);
    if (one.packets == 0) continue;
    sum.oldest_ns = sum.packets == 0 ? one.time_min_ns : std::min(sum.oldest_ns, one.time_min_ns);
    sum.newest_ns = sum.packets == 0 ? one.time_max_ns : std::max(sum.newest_ns, one.time_max_ns);
    sum.packets += one.packets;
    sum.captured_bytes += one.captured_bytes;
  }
  sum.interfaces = table_.interfaces();
  summary_ = sum;
  return sum;
}

Result<std::vector<StoredSegment>> DirectoryStoreReader::segments() {
  std::vector<ForeignEntry> foreign;
  auto files = table_.list_once(foreign);
  if (!files) return pass_on(files);
  std::vector<StoredSegment> all;
  for (const SegmentPath& file : *files) {
    ReadStatistics statistics;
    auto segment = open_segment(files_, file.path, statistics);
    if (segment == nullptr) continue;
    const SegmentHeader& header = segment->header();
    const SegmentSummary sum = segment->summary();
    StoredSegment facts;
    facts.path = file.path;
    facts.kind = file.kind;
    facts.retention = header.retention;
    facts.worker = header.worker;
    facts.sequence = file.sequence;
    facts.uuid = header.uuid;
    facts.run_uuid = header.run_uuid;
    facts.run_started_ns = header.run_started_ns;
    facts.sealed = segment->sealed();
    facts.damaged = statistics.frames_damaged != 0 || segment->has_holes();
    facts.packets = sum.packets;
    facts.account_added = sum.account_added;
    facts.account_dropped = sum.account_dropped;
    facts.time_min_ns = sum.time_min_ns;
    facts.time_max_ns = sum.time_max_ns;
    all.push_back(std::move(facts));
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<StoreReader>> StoreReader::open(const std::vector<std::string>& directories, FileSystem& files) {
  auto segments = list_segments(files, directories);
  if (!segments) return pass_on(segments);
  return std::make_unique<DirectoryStoreReader>(files, directories);
}

}  // namespace gatetape
