#include "storage/query/retention.h"

#include <algorithm>
#include <cstdlib>

#include "common/clock.h"
#include "storage/evidence/ledger_reader.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/read/last_accounts.h"

namespace gatetape {

namespace {

// The rate of the newest run's packets, by the times of the packets themselves: a file is stored faster than it was
// captured.
double bytes_per_second(const StoreSummary& summary, const std::vector<StoredSegment>& segments) {
  int64_t newest_run_ns = INT64_MIN;
  for (const StoredSegment& segment : segments) newest_run_ns = std::max(newest_run_ns, segment.run_started_ns);
  uint64_t packets = 0;
  int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
  for (const StoredSegment& segment : segments) {
    const bool counts = segment.kind == SegmentKind::kPackets && segment.packets != 0;
    if (!counts || segment.run_started_ns != newest_run_ns) continue;
    packets += segment.packets;
    first_ns = std::min(first_ns, segment.time_min_ns);
    last_ns = std::max(last_ns, segment.time_max_ns);
  }
  if (packets == 0 || summary.packets == 0 || last_ns <= first_ns) return 0;
  const double bytes_per_packet = static_cast<double>(summary.stored_bytes) / static_cast<double>(summary.packets);
  const double seconds = static_cast<double>(last_ns - first_ns) / static_cast<double>(kNanosecondsPerSecond);
  return static_cast<double>(packets) * bytes_per_packet / seconds;
}

bool is_alive(FileSystem& files, const std::string& directory, const Uuid& run, int64_t now_ns) {
  const auto last = read_last_accounts(files, directory, now_ns);
  return last && last->run_uuid == run && !last->silent;
}

// Adds one store's ledger to the figures.
class LedgerWalk {
 public:
  explicit LedgerWalk(Retention& out) : out_(out) {}

  void see(const LedgerEntry& entry) {
    if (const auto* started = std::get_if<RunStarted>(&entry.content)) {
      unended_.emplace_back(started->run_uuid, started->started_ns);
      newest_ = started->run_uuid;
      ring_bytes_ = std::strtoull(fact(started->facts, kRingBytesFact).c_str(), nullptr, 10);
    } else if (const auto* ended = std::get_if<RunEnded>(&entry.content)) {
      std::erase_if(unended_, [&](const auto& run) { return run.first == ended->run_uuid; });
    } else if (const auto* evicted = std::get_if<SegmentEvicted>(&entry.content)) {
      if (evicted->segment.kind != SegmentKind::kPackets) return;
      ++out_.overwritten_segments;
      out_.overwritten_packets += evicted->segment.packets;
      out_.overwritten_until_ns = std::max(out_.overwritten_until_ns.value_or(INT64_MIN), evicted->segment.time_max_ns);
    }
  }

  // `is_alive` is asked about the newest run.
  template <class IsAlive>
  void end(IsAlive&& is_alive) {
    out_.ring_bytes += ring_bytes_;
    for (const auto& [run, started_ns] : unended_) {
      if (run != newest_ || !is_alive(run)) out_.unclean_runs_ns.push_back(started_ns);
    }
  }

 private:
  Retention& out_;
  std::vector<std::pair<Uuid, int64_t>> unended_;
  Uuid newest_{};
  uint64_t ring_bytes_ = 0;
};

}  // namespace

std::optional<double> Retention::seconds_that_fit() const {
  if (ring_bytes == 0 || bytes_per_second <= 0) return std::nullopt;
  return static_cast<double>(ring_bytes) / bytes_per_second;
}

Retention retention_of(FileSystem& files, const std::vector<std::string>& directories, const StoreSummary& summary,
                       const std::vector<StoredSegment>& segments, int64_t now_ns) {
  Retention out;
  out.bytes_per_second = bytes_per_second(summary, segments);
  for (const std::string& directory : directories) {
    LedgerWalk walk(out);
    // Damage is told by who reads for completeness; here it only costs figures.
    const auto header = read_ledger(
        files, ledger_path(directory), [&](const LedgerEntry& entry) { walk.see(entry); },
        [](uint64_t, const auto&) {});
    if (header) walk.end([&](const Uuid& run) { return is_alive(files, directory, run, now_ns); });
  }
  std::ranges::sort(out.unclean_runs_ns);
  return out;
}

}  // namespace gatetape
