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
#include "storage/read/packet_merge.h"
#include "storage/read/record_reader.h"
#include "storage/read/segment_directory.h"

namespace gatetape {
namespace {

constexpr size_t kLiteralCacheBytes = 512 << 20;  // at most; only what is read is kept

class DirectoryStoreReader : public StoreReader {
 public:
  DirectoryStoreReader(FileSystem& files, std::vector<std::string> directories)
      : files_(files), directories_(std::move(directories)) {
    find_stores();
  }

  Result<ReadStatistics> packets(const StoreQuery& query,
                                 const std::function<bool(const StoredPacket&)>& visit) override;
  Result<ReadStatistics> records(const RecordQuery& query, const std::function<bool(const Record&)>& visit) override;
  Result<StoreSummary> summary() override;
  Result<std::vector<StoredSegment>> segments() override;

 private:
  // Runs in order of time, then domain, worker and class.
  struct StreamKey {
    int64_t run_started_ns;
    Uuid run_uuid;
    uint32_t ordinal_domain;
    uint16_t worker;
    RetentionClass retention;
    auto operator<=>(const StreamKey&) const = default;
  };
  struct Stream {
    std::vector<std::string> segments;
    std::vector<uint16_t> interface_ids;
  };
  using Streams = std::map<StreamKey, Stream>;
  Result<std::vector<SegmentPath>> list(ReadStatistics& statistics);
  // A file's segment, as far as it must be known to find copies of it.
  struct Identity {
    Uuid uuid{};
    int64_t created_ns = 0;
    // The copy that is worth most is read.
    bool sealed = false;
    uint64_t bytes = 0;
    bool has_its_name = false;
    auto worth() const { return std::tuple(sealed, bytes, has_its_name); }
  };
  const Identity* identity_of(const std::string& path);
  Result<std::vector<SegmentPath>> list_once(std::vector<ForeignEntry>& foreign);
  Result<Streams> streams(ReadStatistics& statistics);
  void visit_last_accounts(const std::string& directory, const RecordQuery& query, const RunsSeen& runs,
                           ReadStatistics& statistics, const std::function<bool(const Record&)>& visit);
  std::vector<uint16_t> interface_ids(const SegmentHeader& header, const std::string& path);
  void find_stores();

  FileSystem& files_;
  std::vector<std::string> directories_;
  std::map<std::string, std::string> stores_;   // where there are several: the first directory of a directory's store
  std::map<std::string, Identity> identities_;  // by path
  std::optional<StoreSummary> summary_;
  std::vector<StoreInterface> interfaces_;  // those of all segments seen so far
};

// A store has a ledger in its first directory, and none in the others that follow it. Where that does not tell stores
// apart, interfaces that are described alike are one.
void DirectoryStoreReader::find_stores() {
  std::string first;
  std::vector<FileIdentity> ledgers;
  for (const std::string& directory : directories_) {
    const auto ledger = files_.entry_status(directory + "/ledger");
    if (ledger && std::ranges::find(ledgers, ledger->identity) == ledgers.end()) ledgers.push_back(ledger->identity);
    if (ledger || first.empty()) first = directory;
    stores_.emplace(directory, first);
  }
  if (ledgers.size() < 2) stores_.clear();
}

// Runs number their interfaces each from 0: where this one's are among those of all runs.
std::vector<uint16_t> DirectoryStoreReader::interface_ids(const SegmentHeader& header, const std::string& path) {
  const auto store = stores_.find(parent_directory(path));
  std::vector<uint16_t> ids;
  for (StoreInterface interface : header.interfaces) {
    if (store != stores_.end()) interface.store = store->second;
    const auto known = std::find(interfaces_.begin(), interfaces_.end(), interface);
    ids.push_back(static_cast<uint16_t>(known - interfaces_.begin()));
    if (known == interfaces_.end()) interfaces_.push_back(interface);
  }
  return ids;
}

// Null: it cannot be read, and those who read it next say why.
const DirectoryStoreReader::Identity* DirectoryStoreReader::identity_of(const std::string& path) {
  const auto known = identities_.find(path);
  if (known != identities_.end()) return &known->second;
  const auto segment = SegmentReader::open(files_, path, [](const std::string&, uint64_t, const char*) {});
  if (!segment) return nullptr;
  const SegmentHeader& header = (*segment)->header();
  const bool has_its_name = file_name(path) == segment_file_name(header);
  const Identity identity{header.uuid, header.created_ns, (*segment)->sealed(), (*segment)->file_bytes(), has_its_name};
  return &identities_.emplace(path, identity).first->second;
}

// Each segment once: a copy, under another number or in another directory, would double its packets. The file that has
// most of it is read.
Result<std::vector<SegmentPath>> DirectoryStoreReader::list_once(std::vector<ForeignEntry>& foreign) {
  auto files = list_segments(files_, directories_, &foreign);
  if (!files) return files;
  std::map<std::pair<Uuid, int64_t>, std::pair<SegmentPath, const Identity*>> chosen;
  std::set<std::string> copies;
  for (const SegmentPath& file : *files) {
    const Identity* identity = identity_of(file.path);
    if (identity == nullptr) continue;
    const auto [place, is_first] =
        chosen.try_emplace(std::pair(identity->uuid, identity->created_ns), std::pair(file, identity));
    if (is_first) continue;
    auto& [best, best_identity] = place->second;
    const bool is_better = identity->worth() > best_identity->worth();
    const SegmentPath& copy = is_better ? best : file;
    copies.insert(copy.path);
    foreign.push_back({copy.path, "a copy of another segment", copy.sequence});
    if (is_better) place->second = {file, identity};
  }
  std::erase_if(*files, [&](const SegmentPath& file) { return copies.contains(file.path); });
  return files;
}

// The segments, and an account of what is in their way.
Result<std::vector<SegmentPath>> DirectoryStoreReader::list(ReadStatistics& statistics) {
  constexpr size_t kNamed = 100;
  std::vector<ForeignEntry> foreign;
  auto segments = list_once(foreign);
  statistics.foreign_entries = foreign.size();
  for (const ForeignEntry& entry : std::span(foreign).first(std::min(foreign.size(), kNamed)))
    statistics.foreign.push_back(fmt::format("{}: {}: left alone", entry.path, entry.what));
  return segments;
}

Result<DirectoryStoreReader::Streams> DirectoryStoreReader::streams(ReadStatistics& statistics) {
  auto files = list(statistics);
  if (!files) return pass_on(files);
  Streams streams;
  for (const SegmentPath& file : *files) {
    if (file.kind != SegmentKind::kPackets) continue;
    auto segment = open_segment(files_, file.path, statistics);
    if (segment == nullptr) continue;
    statistics.segments++;
    const SegmentHeader& header = segment->header();
    Stream& stream =
        streams[{header.run_started_ns, header.run_uuid, header.ordinal_domain, header.worker, header.retention}];
    stream.segments.push_back(file.path);
    stream.interface_ids = interface_ids(header, file.path);
  }
  return streams;
}

Result<ReadStatistics> DirectoryStoreReader::packets(const StoreQuery& query,
                                                     const std::function<bool(const StoredPacket&)>& visit) {
  ReadStatistics statistics;
  auto all = streams(statistics);
  if (!all) return pass_on(all);
  LiteralCache cache(kLiteralCacheBytes);
  for (auto stream = all->begin(); stream != all->end();) {
    PacketMerge merge;
    const auto run = std::tie(stream->first.run_started_ns, stream->first.run_uuid);
    for (; stream != all->end() && std::tie(stream->first.run_started_ns, stream->first.run_uuid) == run; ++stream) {
      merge.add(stream->first.ordinal_domain,
                std::make_unique<PacketStream>(files_, stream->second.segments, stream->second.interface_ids, query,
                                               cache, statistics));
    }
    const bool more = merge.visit_all([&](const StoredPacket& packet) {
      statistics.packets_visited++;
      return visit(packet);
    });
    if (!more) break;
  }
  return statistics;
}

Result<ReadStatistics> DirectoryStoreReader::records(const RecordQuery& query,
                                                     const std::function<bool(const Record&)>& visit) {
  ReadStatistics statistics;
  auto files = list(statistics);
  if (!files) return pass_on(files);
  RunsSeen runs;
  for (const SegmentPath& file : *files) {
    if (file.kind == SegmentKind::kRecords && !read_records(files_, file.path, query, statistics, runs, visit))
      return statistics;
  }
  if ((query.types & record_types<AccountRecord>()) == 0) return statistics;
  for (const std::string& directory : directories_) visit_last_accounts(directory, query, runs, statistics, visit);
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
  auto files = list_once(foreign);
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
    interface_ids(segment->header(), file.path);
    if (one.packets == 0) continue;
    sum.oldest_ns = sum.packets == 0 ? one.time_min_ns : std::min(sum.oldest_ns, one.time_min_ns);
    sum.newest_ns = sum.packets == 0 ? one.time_max_ns : std::max(sum.newest_ns, one.time_max_ns);
    sum.packets += one.packets;
    sum.captured_bytes += one.captured_bytes;
  }
  sum.interfaces = interfaces_;
  summary_ = sum;
  return sum;
}

Result<std::vector<StoredSegment>> DirectoryStoreReader::segments() {
  std::vector<ForeignEntry> foreign;
  auto files = list_once(foreign);
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
