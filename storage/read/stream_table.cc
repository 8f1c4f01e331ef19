#include "storage/read/stream_table.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <tuple>

#include "storage/read/packet_merge.h"
#include "storage/read/record_reader.h"
#include "storage/read/segment_reader.h"

namespace gatetape {
namespace {

constexpr size_t kLiteralCacheBytes = 512 << 20;  // at most; only what is read is kept

}  // namespace

StreamTable::StreamTable(FileSystem& files, std::vector<std::string> directories)
    : files_(files), directories_(std::move(directories)) {
  find_stores();
}

// A store has a ledger in its first directory, and none in the others that follow it. Where that does not tell stores
// apart, interfaces that are described alike are one.
void StreamTable::find_stores() {
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

std::vector<uint16_t> StreamTable::interface_ids(const SegmentHeader& header, const std::string& path) {
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
const StreamTable::Identity* StreamTable::identity_of(const std::string& path) {
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
Result<std::vector<SegmentPath>> StreamTable::list_once(std::vector<ForeignEntry>& foreign) {
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

Result<std::vector<SegmentPath>> StreamTable::segments(ReadStatistics& statistics) {
  constexpr size_t kNamed = 100;
  std::vector<ForeignEntry> foreign;
  auto segments = list_once(foreign);
  statistics.foreign_entries = foreign.size();
  for (const ForeignEntry& entry : std::span(foreign).first(std::min(foreign.size(), kNamed)))
    statistics.foreign.push_back(fmt::format("{}: {}: left alone", entry.path, entry.what));
  return segments;
}

Result<StreamTable::Streams> StreamTable::streams(ReadStatistics& statistics, const FrameMarks* marks) {
  auto files = segments(statistics);
  if (!files) return pass_on(files);
  Streams found;
  for (const SegmentPath& file : *files) {
    if (file.kind != SegmentKind::kPackets || (marks != nullptr && marks->finished.contains(file.path))) continue;
    auto segment = open_segment(files_, file.path, statistics);
    if (segment == nullptr) continue;
    statistics.segments++;
    const SegmentHeader& header = segment->header();
    Stream& stream =
        found[{header.run_started_ns, header.run_uuid, header.ordinal_domain, header.worker, header.retention}];
    stream.segments.push_back(file.path);
    stream.interface_ids = interface_ids(header, file.path);
  }
  return found;
}

Result<void> StreamTable::find_interfaces() {
  ReadStatistics statistics;
  auto found = streams(statistics, nullptr);
  if (!found) return pass_on(found);
  return {};
}

Result<ReadStatistics> StreamTable::packets(const StoreQuery& query,
                                            const std::function<bool(const StoredPacket&)>& visit, FrameMarks* marks) {
  ReadStatistics statistics;
  auto all = streams(statistics, marks);
  if (!all) return pass_on(all);
  LiteralCache cache(kLiteralCacheBytes);
  for (auto stream = all->begin(); stream != all->end();) {
    PacketMerge merge;
    const auto run = std::tie(stream->first.run_started_ns, stream->first.run_uuid);
    for (; stream != all->end() && std::tie(stream->first.run_started_ns, stream->first.run_uuid) == run; ++stream) {
      merge.add(stream->first.ordinal_domain,
                std::make_unique<PacketStream>(files_, stream->second.segments, stream->second.interface_ids, query,
                                               cache, statistics, marks));
    }
    const bool more = merge.visit_all([&](const StoredPacket& packet) {
      statistics.packets_visited++;
      return visit(packet);
    });
    if (!more) break;
  }
  return statistics;
}

}  // namespace gatetape
