#include "storage/query/presence.h"

#include <algorithm>

#include "common/time_text.h"

namespace gatetape {
namespace {

// Frames are closed after a second and written within another: what is on its way to the disk came in this recently.
constexpr int64_t kSettlesWithin_ns = 5'000'000'000;

std::string span_text(Interval when) {
  return fmt::format("from {} to {}", format_time(when.first_ns), format_time(when.last_ns));
}

bool overlaps(const TimeRange& range, Interval when) {
  return range.touches(when.first_ns, when.last_ns);
}

}  // namespace

void Presence::add(const RunRecord& record) {
  Run& run = runs_[record.run_started_ns];
  run.of_file = record.of_file;
  if (record.ended) {
    run.ended = true;
    run.ended_ns = record.timestamp_ns;
  } else {
    run.begun = true;
    run.begun_ns = record.timestamp_ns;
  }
}

void Presence::add(const AccountRecord& record) {
  Run& run = runs_[record.run_started_ns];
  WorkerFacts& worker = run.workers[record.worker];
  const int64_t before_ns = worker.last_account_ns, now_ns = record.timestamp_ns;
  run.of_file |= record.of_file;
  // A file's clock is its packets: a pause in it is a pause of the traffic.
  const bool vouches =
      before_ns != INT64_MIN && now_ns >= before_ns && (run.of_file || now_ns - before_ns <= kAccountDistanceMax_ns);
  if (vouches) {
    run.covered.add({before_ns, now_ns});
    covered_.add({before_ns, now_ns});
  }
  const WorkerAccount& account = record.worker_account;
  worker.last_account_ns = now_ns;
  worker.in_flight = account[Counter::kInFlight];
  worker.expected = account[Counter::kStored] + worker.in_flight;
  worker.dropped_failed = account[Counter::kDroppedStoreFailed];
}

void Presence::add(const SyncFailureRecord& record) {
  const Interval when{record.first_ns, record.last_ns};
  const bool packets = record.packets != 0;
  const uint64_t count = packets ? record.packets : record.records;
  unsafe_.push_back({packets ? "not_synced" : "records_not_synced", false, count, packets ? "packets" : "records", when,
                     fmt::format("the disk did not confirm {} {} ({}): a power cut may have taken them", count,
                                 packets ? "packets" : "records", span_text(when))});
}

void Presence::add_segments(std::span<const StoredSegment> segments) {
  std::map<Stream, std::vector<const StoredSegment*>> streams;
  for (const StoredSegment& segment : segments) {
    lowest_sequence_ = std::min(lowest_sequence_, segment.sequence);
    if (segment.packets == 0) continue;  // says nothing yet of what its stream was handed
    streams[{segment.run_uuid, segment.kind, segment.worker, segment.retention}].push_back(&segment);
  }
  for (auto& [stream, chain] : streams) {
    std::ranges::sort(chain, {}, &StoredSegment::sequence);
    walk_stream(chain);
  }
}

// Each segment says how many packets its stream had been handed, and how many of those were dropped before they could
// be written. The rest must lie in it and in the segments before it.
void Presence::walk_stream(std::span<const StoredSegment* const> segments) {
  uint64_t added = 0, dropped = 0;
  int64_t before_ns = segments.front()->run_started_ns;
  if (segments.front()->kind == SegmentKind::kPackets && before_ns > segments.front()->time_min_ns)
    before_ns = INT64_MIN;
  for (const StoredSegment* segment : segments) {
    const uint64_t handed = segment->account_added - std::min(added, segment->account_added);
    const uint64_t lost = segment->account_dropped - std::min(dropped, segment->account_dropped);
    const uint64_t here = segment->packets + lost;
    const bool damaged = segment->damaged;
    if (handed > here) {
      const int64_t until_ns = damaged ? segment->time_max_ns : segment->time_min_ns;
      add_missing(*segment, {std::min(before_ns, until_ns), until_ns}, handed - here);
    }
    added = segment->account_added;
    dropped = segment->account_dropped;
    before_ns = segment->time_max_ns;
  }
  const StoredSegment& last = *segments.back();
  if (last.kind != SegmentKind::kPackets) return;
  Handed& handed = handed_[{last.run_started_ns, last.worker}];
  handed.packets += last.account_added - std::min(last.account_added, last.account_dropped);
  handed.last_ns = std::max(handed.last_ns, last.time_max_ns);
  handed.first_ns = std::min(handed.first_ns, segments.front()->time_min_ns);
}

void Presence::add_missing(const StoredSegment& segment, Interval when, uint64_t count) {
  const bool packets = segment.kind == SegmentKind::kPackets;
  const char* unit = packets ? (count == 1 ? "packet is" : "packets are") : (count == 1 ? "record is" : "records are");
  const std::string since = when.first_ns == INT64_MIN ? std::string("before") : format_time(when.first_ns) + " to";
  chains_.push_back({packets ? "gone" : "records_gone", true, count, packets ? "packets" : "records", when,
                     fmt::format("{} {} no longer in the store ({} {}): evicted, removed or damaged", count, unit,
                                 since, format_time(when.last_ns))});
}

Interval Presence::whole() const {
  const int64_t first = range_.since_ns ? *range_.since_ns : covered_.empty() ? 0 : covered_.first_ns();
  const int64_t last = range_.until_ns ? *range_.until_ns - 1 : covered_.empty() ? 0 : covered_.last_ns();
  return {first, std::max(first, last)};
}

std::vector<Interval> Presence::uncovered() const {
  return covered_.holes(whole());
}

// Why nobody vouches for this time: it lies between two runs, after a run that was killed, or inside of one.
Shortfall Presence::absence(Interval when) const {
  const Run *before = nullptr, *after = nullptr;
  for (const auto& [started, run] : runs_) {
    if (run.covered.empty()) continue;
    if (run.covered.last_ns() < when.first_ns &&
        (before == nullptr || run.covered.last_ns() > before->covered.last_ns())) {
      before = &run;
    }
    if (run.covered.first_ns() > when.last_ns &&
        (after == nullptr || run.covered.first_ns() < after->covered.first_ns())) {
      after = &run;
    }
    if (run.covered.first_ns() < when.first_ns && run.covered.last_ns() > when.last_ns) {
      return {"no_account", false, 0,
              "",           when,  fmt::format("the sensor gave no account of itself {}", span_text(when))};
    }
  }
  if (before != nullptr && !before->ended) {
    return {"killed",
            false,
            0,
            "",
            when,
            fmt::format("a run of the sensor broke off without an end, and nothing is known {}", span_text(when))};
  }
  return {"outage", false, 0, "", when, fmt::format("the sensor was not recording {}", span_text(when))};
}

// The last account of a run and its segments must agree on how much is stored.
void Presence::compare_runs(std::vector<Shortfall>& out) const {
  for (const auto& [started, run] : runs_) {
    for (const auto& [number, worker] : run.workers) {
      const auto handed = handed_.find({started, number});
      const uint64_t there = handed == handed_.end() ? 0 : handed->second.packets;
      if (worker.expected <= there) continue;
      const int64_t since =
          handed == handed_.end() ? run.covered.empty() ? INT64_MIN : run.covered.first_ns() : handed->second.last_ns;
      const Interval when{std::min(since, worker.last_account_ns), worker.last_account_ns};
      if (!overlaps(range_, when)) continue;
      const uint64_t count = worker.expected - there;
      const char* packets = count == 1 ? "packet that was" : "packets that were";
      const bool on_the_way = !run.ended && count <= worker.in_flight;
      out.push_back({on_the_way ? "not_written" : "gone", true, count, "packets", when,
                     on_the_way ? fmt::format("{} {} received by {} are not written yet, or were lost with the sensor",
                                              count, packets, format_time(worker.last_account_ns))
                                : fmt::format("{} {} stored by {} are not in the store any more", count, packets,
                                              format_time(worker.last_account_ns))});
    }
  }
}

// Packets of a run without an end that came after its last account, or of which there is none: nobody knows what else
// came in then.
void Presence::say_broken_off(std::vector<Shortfall>& out) const {
  for (const auto& [key, handed] : handed_) {
    const auto run = runs_.find(key.first);
    if (run != runs_.end() && run->second.ended) continue;
    int64_t accounted_ns = INT64_MIN;
    if (run != runs_.end()) {
      const auto worker = run->second.workers.find(key.second);
      if (worker != run->second.workers.end()) accounted_ns = worker->second.last_account_ns;
    }
    const Interval when{std::max(accounted_ns, handed.first_ns), handed.last_ns};
    if (handed.last_ns <= accounted_ns || !overlaps(range_, when)) continue;
    out.push_back({"killed", false, 0, "", when,
                   fmt::format("a run of the sensor has no end, and gave no account of itself {}", span_text(when))});
  }
}

// Without a beginning or an end of its own the question means all that the store ever recorded.
void Presence::say_open_ends(std::vector<Shortfall>& out) const {
  if (!range_.since_ns && lowest_sequence_ != UINT64_MAX && lowest_sequence_ > 1) {
    out.push_back(
        {"begins_later", true, 0, "", std::nullopt,
         fmt::format("the store's first {} segments are no longer there: evicted or removed", lowest_sequence_ - 1)});
  }
  if (range_.until_ns || runs_.empty()) return;
  const auto& [started, newest] = *runs_.rbegin();
  if (newest.ended) return;
  out.push_back({"open_end", false, 0, "", std::nullopt,
                 newest.covered.empty()
                     ? std::string("the newest run of the sensor has no end and no account")
                     : fmt::format("the newest run of the sensor has no end: nothing is known of the time after {}",
                                   format_time(newest.covered.last_ns()))});
}

std::vector<Shortfall> Presence::shortfalls(bool needs_records) const {
  std::vector<Shortfall> out;
  if (covered_.empty()) {
    out.push_back({"no_account", false, 0, "", std::nullopt, "the store has no account of this time"});
  } else {
    for (const Interval& hole : uncovered()) out.push_back(absence(hole));
  }
  for (const Shortfall& chain : chains_) {
    if (!overlaps(range_, *chain.when)) continue;
    out.push_back(chain);
    // Packets are found without records; but the account and the marks of runs are records, too.
    if (chain.code == "records_gone" && !needs_records) out.back().missing = false;
  }
  for (const Shortfall& unsafe : unsafe_) {
    if (overlaps(range_, *unsafe.when)) out.push_back(unsafe);
  }
  say_broken_off(out);
  compare_runs(out);
  say_open_ends(out);
  return out;
}

std::vector<Interval> Presence::complete_spans(bool needs_records) const {
  IntervalSet against;
  for (const Shortfall& shortfall : shortfalls(needs_records)) {
    if (shortfall.when) against.add(*shortfall.when);
  }
  if (covered_.empty()) return {};
  return against.holes(whole());
}

}  // namespace gatetape
