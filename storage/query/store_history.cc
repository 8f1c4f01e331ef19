#include "storage/query/store_history.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <set>

#include "storage/evidence/ledger_reader.h"
#include "storage/evidence/ledger_writer.h"

namespace gatetape {
namespace {

StoredSegment stored(const SegmentFacts& facts) {
  StoredSegment out;
  out.kind = facts.kind;
  out.retention = facts.retention;
  out.worker = facts.worker;
  out.sequence = facts.sequence;
  out.run_uuid = facts.run_uuid;
  out.run_started_ns = facts.run_started_ns;
  out.sealed = true;
  out.packets = facts.packets;
  out.account_added = facts.added;
  out.account_dropped = facts.dropped;
  out.time_min_ns = facts.time_min_ns;
  out.time_max_ns = facts.time_max_ns;
  return out;
}

std::string hexadecimal(const Uuid& uuid) {
  std::string out;
  for (const uint8_t byte : uuid) fmt::format_to(std::back_inserter(out), "{:02x}", byte);
  return out;
}

// A recorder locks each directory of its store, also one into which it writes nothing for now.
bool is_of_a_store(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  return !names || std::ranges::any_of(*names, [](const std::string& name) {
    return name == "lock" || name.ends_with(".gtp") || name.ends_with(".gtr");
  });
}

// One store's part of the history.
class LedgerWalk {
 public:
  void see(const LedgerEntry& entry) {
    if (const auto* started = std::get_if<RunStarted>(&entry.content)) {
      if (!runs_.empty()) runs_.back().before_ns = started->started_ns;
      runs_.push_back({started->run_uuid, started->started_ns, std::nullopt, false});
    } else if (const auto* ended = std::get_if<RunEnded>(&entry.content)) {
      for (StoreHistory::Run& run : runs_) run.ended |= run.uuid == ended->run_uuid;
    } else if (const auto* sealed = std::get_if<SegmentSealed>(&entry.content)) {
      segments_[sealed->segment.uuid].facts = stored(sealed->segment);
    } else if (const auto* evicted = std::get_if<SegmentEvicted>(&entry.content)) {
      StoreHistory::Segment& segment = segments_[evicted->segment.uuid];
      segment.facts = stored(evicted->segment);
      segment.evicted_ns = evicted->evicted_ns;
    }
  }
  void take_into(StoreHistory& history) {
    history.runs.insert(history.runs.end(), runs_.begin(), runs_.end());
    for (auto& [uuid, segment] : segments_) history.segments.push_back(std::move(segment));
  }

 private:
  std::vector<StoreHistory::Run> runs_;
  std::map<Uuid, StoreHistory::Segment> segments_;
};

}  // namespace

StoreHistory read_history(FileSystem& files, const std::vector<std::string>& directories) {
  StoreHistory history;
  std::set<std::string> seen;
  for (const std::string& directory : directories) {
    LedgerWalk walk;
    const auto damage = [&](uint64_t offset, const std::string& what) {
      history.problems.push_back(fmt::format("{}: offset {}: {}", ledger_path(directory), offset, what));
    };
    const auto header = read_ledger(
        files, ledger_path(directory), [&](const LedgerEntry& entry) { walk.see(entry); }, damage);
    if (!header) {
      if (header.error().code != ENOENT) {
        history.problems.push_back(header.error().message);
      } else if (!is_of_a_store(files, directory)) {
        history.strangers.push_back(directory);
      }
      continue;
    }
    if (!seen.insert(hexadecimal(header->store_uuid)).second) continue;  // the same directory twice
    history.stores.push_back(hexadecimal(header->store_uuid));
    walk.take_into(history);
  }
  return history;
}

size_t runs_not_listed(const StoreHistory& history, std::span<const StoredSegment> present) {
  std::set<Uuid> listed;
  for (const StoreHistory::Run& run : history.runs) listed.insert(run.uuid);
  uint64_t begins = history.segments.empty() ? 0 : UINT64_MAX;
  for (const StoreHistory::Segment& segment : history.segments) begins = std::min(begins, segment.facts.sequence);
  std::set<Uuid> unlisted;
  for (const StoredSegment& segment : present) {
    if (segment.sequence >= begins && !listed.contains(segment.run_uuid)) unlisted.insert(segment.run_uuid);
  }
  return unlisted.size();
}

std::vector<StoreHistory::Segment> absent_segments(const StoreHistory& history,
                                                   std::span<const StoredSegment> present) {
  std::set<std::pair<Uuid, uint64_t>> there;
  for (const StoredSegment& segment : present) there.emplace(segment.run_uuid, segment.sequence);
  std::vector<StoreHistory::Segment> absent;
  for (const StoreHistory::Segment& segment : history.segments) {
    if (!there.contains({segment.facts.run_uuid, segment.facts.sequence})) absent.push_back(segment);
  }
  return absent;
}

}  // namespace gatetape
