#include "storage/query/presence.h"

#include <algorithm>

#include "common/time_text.h"
#include "storage/query/account_span.h"
#include "storage/query/uninspected_counters.h"

namespace gatetape {
namespace {

// So long after its last account a run that was killed may have taken in packets of which nothing is known. An account
// is kept within fractions of a second; without the account file, within one, and frames within two.
constexpr int64_t kUnknownAfterKill_ns = 5'000'000'000;

std::string span_text(Interval when) {
  return fmt::format("from {} to {}", format_time(when.first_ns), format_time(when.last_ns));
}

// Beyond so many stretches of a counter's rises they become one.
constexpr size_t kRisesMax = 100'000;

// Counters that an extract has to own up to, by itself or where records answer.
bool is_watched(const CounterRow& row) {
  return row.group_row().place == BalancePlace::kLoss || row.group == CounterGroup::kFiltered;
}

void add_rise(IntervalSet& rises, Interval when) {
  if (rises.size() >= kRisesMax) when.first_ns = std::min(when.first_ns, rises.first_ns());
  rises.add(when);
}

bool overlaps(const TimeRange& range, Interval when) {
  return range.touches(when.first_ns, when.last_ns);
}

}  // namespace

std::vector<Interval> spans_without(std::span<const Shortfall> shortfalls, Interval whole) {
  IntervalSet against;
  const auto stands_against = [&](Interval when) {
    if (when.touches(whole)) {
      against.add({std::max(when.first_ns, whole.first_ns), std::min(when.last_ns, whole.last_ns)});
    }
  };
  for (const Shortfall& shortfall : shortfalls) {
    if (!shortfall.when) return {};
    if (shortfall.parts.empty()) stands_against(*shortfall.when);
    for (const Interval& part : shortfall.parts) stands_against(part);
  }
  std::vector<Interval> spans = against.holes(whole);
  std::ranges::stable_sort(spans, std::ranges::greater(),
                           [](const Interval& span) { return static_cast<uint64_t>(span.last_ns - span.first_ns); });
  return spans;
}

void Presence::add(const RunRecord& record) {
  Run& run = runs_[record.run_started_ns];
  run.of_file = record.of_file;
  if (record.ended) {
    run.ended = true;
    run.ended_ns = record.timestamp_ns;
  } else {
    run.begun = true;
    run.begun_ns = record.timestamp_ns;
    const auto text = [](std::string_view view) { return std::string(view); };
    run.facts = {0,
                 std::nullopt,
                 record.of_file,
                 text(record.build),
                 text(record.host),
                 text(record.user),
                 text(record.sources),
                 text(record.filters),
                 text(record.rules),
                 text(record.clock)};
  }
}

// A counter rose some time since the account before. Of a run's first account that we are given, since its start.
void Presence::note_rises(const AccountRecord& record, const WorkerFacts& before, Interval when) {
  const auto note = [&](const auto& now, const auto& then, auto& rises) {
    for (size_t i = 0; i < rises.size(); ++i) {
      if (now.words()[i] <= then.words()[i]) continue;
      if (is_watched(now.table()[i])) add_rise(rises[i], when);
    }
  };
  for (const Counter loss : kLateLosses) {
    const Interval since_decided{std::min(before.decided_ns, when.first_ns), when.last_ns};
    if (record.worker_account[loss] > before.totals[loss])
      add_rise(worker_rises_[static_cast<size_t>(loss)], since_decided);
  }
  note(record.worker_account, before.totals, worker_rises_);
  note(record.port_account, before.port, port_rises_);
  const auto note_uninspected = [&](Counter counter) {
    if (record.worker_account[counter] > before.totals[counter])
      add_rise(worker_rises_[static_cast<size_t>(counter)], when);
  };
  for (const UninspectedCounter& row : kUninspectedCounters) note_uninspected(row.counter);
  note_uninspected(Counter::kRecordsDropped);
}

// Time in which the sensor was awake, and still cannot vouch for what was on the wire.
void Presence::note_doubts(const AccountRecord& record, const WorkerFacts& before, Interval when) {
  const PortAccount& port = record.port_account;
  const bool down = port[PortCounter::kLinksDown] != 0 || before.port[PortCounter::kLinksDown] != 0 ||
                    port[PortCounter::kLinkDowns] > before.port[PortCounter::kLinkDowns];
  if (down) add_rise(link_down_, when);
  if (record.worker_account[Counter::kClockSteps] > before.totals[Counter::kClockSteps]) {
    add_rise(clock_stepped_, when);
    covered_.add(when);  // the sensor was awake, whatever its clock said
  }
}

void Presence::add(const AccountRecord& record) {
  Run& run = runs_[record.run_started_ns];
  WorkerFacts& worker = run.workers[record.worker];
  const int64_t before_ns = worker.last_account_ns, now_ns = record.timestamp_ns;
  run.of_file |= record.of_file;
  if (is_repeated(record, worker.totals[Counter::kReceived], worker.last_account_ns)) return;
  // A file's clock is its packets: a pause in it is a pause of the traffic.
  const bool vouches =
      before_ns != INT64_MIN && now_ns >= before_ns && (run.of_file || now_ns - before_ns <= kAccountDistanceMax_ns);
  if (vouches) {
    run.covered.add({before_ns, now_ns});
    covered_.add({before_ns, now_ns});
  }
  const int64_t since_ns = before_ns != INT64_MIN ? before_ns : run.of_file ? INT64_MIN : record.run_started_ns;
  const Interval when{std::min(since_ns, now_ns), std::max(since_ns, now_ns)};
  if (before_ns == INT64_MIN) worker.decided_ns = when.first_ns;
  note_rises(record, worker, when);
  if (before_ns != INT64_MIN && !run.of_file) note_doubts(record, worker, when);
  const WorkerAccount& account = record.worker_account;
  worker.last_account_ns = now_ns;
  worker.undecided.emplace_back(now_ns, decided(account) + account[Counter::kInFlight]);
  while (!worker.undecided.empty() && worker.undecided.front().second <= decided(account)) {
    worker.decided_ns = worker.undecided.front().first;
    worker.undecided.pop_front();
  }
  worker.totals = account;
  worker.port = record.port_account;
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

void Presence::add_segments(std::span<const StoredSegment> segments, std::span<const StoreHistory::Segment> absent) {
  std::map<Stream, std::vector<Link>> streams;
  const auto add = [&](const StoredSegment& segment, bool is_absent, bool evicted) {
    lowest_sequence_ = std::min(lowest_sequence_, segment.sequence);
    started_[segment.run_uuid] = segment.run_started_ns;
    if (segment.packets == 0) return;  // says nothing yet of what its stream was handed
    streams[{segment.run_uuid, segment.kind, segment.worker, segment.retention}].push_back(
        {&segment, is_absent, evicted});
  };
  for (const StoredSegment& segment : segments) add(segment, false, false);
  for (const StoreHistory::Segment& segment : absent) add(segment.facts, true, segment.evicted_ns.has_value());
  for (const auto& [stream, chain] : streams) {
    if (stream.kind != SegmentKind::kPackets) continue;
    for (const Link& link : chain) widen(packet_times_, *link.segment);
  }
  for (auto& [stream, chain] : streams) {
    std::ranges::sort(chain, {}, [](const Link& link) { return link.segment->sequence; });
    walk_stream(chain);
  }
  say_absent();
}

// Each segment says how many packets its stream had been handed, and how many of those were dropped before they could
// be written. The rest must lie in it and in the segments before it.
void Presence::walk_stream(std::span<Link> chain) {
  uint64_t added = 0, dropped = 0;
  const StoredSegment& first = *chain.front().segment;
  const bool of_packets = first.kind == SegmentKind::kPackets;
  int64_t before_ns = first.run_started_ns;
  if (of_packets && before_ns > first.time_min_ns) before_ns = INT64_MIN;
  if (of_packets) begins_ns_ = std::max(begins_ns_, first.time_min_ns);
  const Link* before = nullptr;
  for (Link& link : chain) {
    const StoredSegment& segment = *link.segment;
    const uint64_t handed = segment.account_added - std::min(added, segment.account_added);
    const uint64_t lost = segment.account_dropped - std::min(dropped, segment.account_dropped);
    const uint64_t here = segment.packets + lost;
    if (handed > here) {
      const int64_t until_ns = segment.damaged ? segment.time_max_ns : segment.time_min_ns;
      add_missing(segment, {std::min(before_ns, until_ns), until_ns}, handed - here);
    }
    link.follows = before != nullptr && before->absent && before->evicted == link.evicted;
    if (link.absent) note_absent(link);
    before = &link;
    added = segment.account_added;
    dropped = segment.account_dropped;
    before_ns = segment.time_max_ns;
  }
  if (!of_packets) return;
  const StoredSegment& last = *chain.back().segment;
  Handed& handed = handed_[{last.run_started_ns, last.worker}];
  handed.packets += last.account_added - std::min(last.account_added, last.account_dropped);
  handed.last_ns = std::max(handed.last_ns, last.time_max_ns);
  handed.first_ns = std::min(handed.first_ns, first.time_min_ns);
  for (const Link& link : chain) {
    if (!link.absent) widen(stored_, *link.segment);
  }
}

void Presence::widen(std::map<int64_t, Interval>& times, const StoredSegment& segment) {
  const Interval when{segment.time_min_ns, segment.time_max_ns};
  Interval& all = times.try_emplace(segment.run_started_ns, when).first->second;
  all = {std::min(all.first_ns, when.first_ns), std::max(all.last_ns, when.last_ns)};
}

void Presence::note_absent(const Link& link) {
  const StoredSegment& segment = *link.segment;
  if (segment.kind == SegmentKind::kRecords && link.evicted) records_evicted_.insert(segment.run_started_ns);
  Interval when{std::min(segment.time_min_ns, segment.time_max_ns), segment.time_max_ns};
  // Among the records of a file is the run's beginning, which is of today: they are about the time of its packets.
  const auto packets = packet_times_.find(segment.run_started_ns);
  if (segment.kind == SegmentKind::kRecords && packets != packet_times_.end()) {
    when.first_ns = std::max(when.first_ns, packets->second.first_ns);
    when.last_ns = std::max(when.first_ns, std::min(when.last_ns, packets->second.last_ns));
  }
  // Nothing of its stream lies between it and the one before it in the chain.
  std::vector<Absent>& all = absent_[{segment.kind, link.evicted}];
  if (link.follows && !all.empty()) when.first_ns = std::min(when.first_ns, all.back().when.last_ns);
  if (overlaps(range_, when)) all.push_back({when, segment.packets});
}

// Neighbours in time that are gone in the same way are one shortfall.
void Presence::say_absent() {
  for (auto& [kind, all] : absent_) {
    const auto [of, evicted] = kind;
    std::ranges::sort(all, {}, [](const Absent& one) { return one.when.first_ns; });
    std::vector<Absent> merged;
    for (const Absent& one : all) {
      if (!merged.empty() && one.when.first_ns - 1 <= merged.back().when.last_ns) {
        merged.back().when.last_ns = std::max(merged.back().when.last_ns, one.when.last_ns);
        merged.back().packets += one.packets;
      } else {
        merged.push_back(one);
      }
    }
    const bool packets = of == SegmentKind::kPackets;
    const std::string_view unit = packets ? "packets" : "records";
    for (const Absent& one : merged) {
      const std::string what = fmt::format("{} {}", one.packets, one.packets == 1 ? unit.substr(0, 6) : unit);
      const std::string_view were = one.packets == 1 ? "was" : "were";
      const std::string_view code =
          evicted ? (packets ? "evicted" : "records_evicted") : (packets ? "removed" : "records_removed");
      chains_.push_back({code,
                         true,
                         one.packets,
                         unit,
                         one.when,
                         evicted ? fmt::format("{} {} evicted {}", what, were, span_text(one.when))
                                 : fmt::format("{} {} sealed and signed, and the file is gone or unreadable, though it "
                                               "was not evicted {}",
                                               what, were, span_text(one.when)),
                         {}});
    }
  }
  absent_.clear();
}

// Where a ledger does not tell of all runs, one may be gone without a trace.
void Presence::add_history(const StoreHistory& history, size_t runs_not_listed) {
  note_unknown_runs(history.runs);
  for (const std::string& directory : history.strangers) {
    unknown_runs_.push_back({"no_store", false, 0, "", std::nullopt,
                             fmt::format("there is nothing of a store in {}: is its disk mounted?", directory)});
  }
  if (!history.problems.empty()) {
    unknown_runs_.push_back({"ledger_damaged", false, 0, "", std::nullopt,
                             fmt::format("the store's ledger cannot be read, and would tell what there was once: {}",
                                         history.problems.front())});
  } else if (runs_not_listed != 0) {
    unknown_runs_.push_back(
        {"not_in_ledger", false, runs_not_listed, "runs", std::nullopt,
         fmt::format("the store's ledger is missing or does not know all runs ({}): others may be gone without a trace",
                     runs_not_listed)});
  }
}

// A run that has left neither a record nor an account, and has no end; or whose end alone was evicted.
void Presence::note_unknown_runs(std::span<const StoreHistory::Run> runs) {
  for (const StoreHistory::Run& run : runs) {
    const auto started = started_.find(run.uuid);
    const bool known = started != started_.end() && runs_.contains(started->second);
    if (known) {
      Run& told = runs_[started->second];
      told.end_evicted = run.ended && records_evicted_.contains(started->second);
      told.gone_ns = run.before_ns;
    }
    const Interval when{run.started_ns, std::max(run.started_ns, run.before_ns.value_or(INT64_MAX))};
    if (run.ended || known || !overlaps(range_, when)) continue;
    unknown_runs_.push_back(
        {"run_unknown",
         false,
         0,
         "",
         when,
         fmt::format("of the run that began {} nothing is known but its beginning", format_time(run.started_ns)),
         {}});
  }
}

void Presence::add_missing(const StoredSegment& segment, Interval when, uint64_t count) {
  const bool packets = segment.kind == SegmentKind::kPackets;
  const char* unit = packets ? (count == 1 ? "packet is" : "packets are") : (count == 1 ? "record is" : "records are");
  const std::string since = when.first_ns == INT64_MIN ? std::string("before") : format_time(when.first_ns) + " to";
  chains_.push_back({packets ? "gone" : "records_gone",
                     true,
                     count,
                     packets ? "packets" : "records",
                     when,
                     fmt::format("{} {} no longer in the store ({} {}): evicted, removed or damaged", count, unit,
                                 since, format_time(when.last_ns)),
                     {}});
}

Interval Presence::whole() const {
  int64_t first = covered_.empty() ? 0 : covered_.first_ns(), last = covered_.empty() ? 0 : covered_.last_ns();
  // A run may have ended later than the last account that is left of it.
  for (const auto& [started, run] : runs_) {
    if (run.ended && !run.covered.empty()) last = std::max(last, run.ended_ns);
  }
  if (range_.since_ns) first = *range_.since_ns;
  if (range_.until_ns) last = *range_.until_ns - 1;
  return {first, std::max(first, last)};
}

std::vector<Interval> Presence::uncovered() const {
  return covered_.holes(whole());
}

// A run of whose end there is no record: it was killed, or the record was evicted.
Shortfall Presence::without_end(const Run& run, Interval when, std::string text) {
  if (!run.end_evicted) return {"killed", false, 0, "", when, std::move(text), {}};
  return {"records_evicted",
          false,
          0,
          "",
          when,
          fmt::format("the last records of a run of the sensor were evicted, and nothing is known {}", span_text(when)),
          {}};
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
      return {"no_account",
              false,
              0,
              "",
              when,
              fmt::format("the sensor gave no account of itself {}", span_text(when)),
              {}};
    }
  }
  if (before != nullptr && !before->ended) {
    return without_end(
        *before, when,
        fmt::format("a run of the sensor broke off without an end, and nothing is known {}", span_text(when)));
  }
  return {"outage", false, 0, "", when, fmt::format("the sensor was not recording {}", span_text(when)), {}};
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
    out.push_back(
        without_end(run == runs_.end() ? Run() : run->second, when,
                    fmt::format("a run of the sensor has no end, and gave no account of itself {}", span_text(when))));
  }
}

// Without a beginning or an end of its own the question means all that the store ever recorded.
void Presence::say_open_ends(std::vector<Shortfall>& out) const {
  if (!range_.since_ns && lowest_sequence_ != UINT64_MAX && lowest_sequence_ > 1) {
    out.push_back(
        {"begins_later", true, 0, "", Interval{INT64_MIN, begins_ns_},
         fmt::format("the store's first {} segments are no longer there: evicted or removed", lowest_sequence_ - 1)});
  }
  if (range_.until_ns || runs_.empty()) return;
  const auto& [started, newest] = *runs_.rbegin();
  if (newest.ended) return;
  const int64_t known_ns = newest.covered.empty() ? INT64_MIN : newest.covered.last_ns() + 1;
  if (newest.end_evicted) {
    const Interval after{known_ns, INT64_MAX};
    out.push_back({"records_evicted", false, 0, "", after,
                   fmt::format("the last records of the newest run of the sensor were evicted: nothing is known of the "
                               "time after {}",
                               newest.covered.empty() ? "its beginning" : format_time(known_ns - 1))});
    return;
  }
  out.push_back({"open_end", false, 0, "", Interval{known_ns, INT64_MAX},
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
    if (chain.code == "records_evicted" && !needs_records) continue;  // accounts that went with them leave a hole
    out.push_back(chain);
    // Packets are found without records; but the account and the marks of runs are records, too.
    if (chain.unit == "records" && !needs_records) out.back().missing = false;
  }
  out.insert(out.end(), unknown_runs_.begin(), unknown_runs_.end());
  for (const auto& [started, when] : stored_) {
    const auto run = runs_.find(started);  // one without an end: see say_broken_off()
    if (run == runs_.end() || !run->second.ended || !run->second.covered.empty() || !overlaps(range_, when)) continue;
    out.push_back({"no_account",
                   false,
                   0,
                   "",
                   when,
                   fmt::format("the run that began {} has packets {} and no account of them", format_time(started),
                               span_text(when)),
                   {}});
  }
  for (const Shortfall& unsafe : unsafe_) {
    if (overlaps(range_, *unsafe.when)) out.push_back(unsafe);
  }
  say_broken_off(out);
  compare_runs(out);
  say_covered_kills(out);
  say_doubts(out);
  say_open_ends(out);
  return out;
}

// Another run's accounts of the same time say nothing of what a killed one took in at its end.
void Presence::say_covered_kills(std::vector<Shortfall>& out) const {
  for (const auto& [started, run] : runs_) {
    if (run.ended || run.covered.empty()) continue;
    const int64_t known_ns = run.covered.last_ns(), gone_ns = run.gone_ns.value_or(INT64_MAX);
    const Interval when{known_ns + 1, std::max(known_ns + 1, std::min(known_ns + kUnknownAfterKill_ns, gone_ns))};
    if (!overlaps(range_, when)) continue;
    for (const Interval& part : covered_.within(when)) {
      if (!overlaps(range_, part)) continue;
      out.push_back(without_end(run, part,
                                fmt::format("the run that began {} has no end, and may have taken in more {}",
                                            format_time(started), span_text(part))));
    }
  }
}

void Presence::say_doubts(std::vector<Shortfall>& out) const {
  for (const Interval& when : link_down_.intervals()) {
    if (overlaps(range_, when))
      out.push_back(
          {"link_down", false, 0, "", when, fmt::format("a link of the sensor was down {}", span_text(when))});
  }
  for (const Interval& when : clock_stepped_.intervals()) {
    if (overlaps(range_, when))
      out.push_back({"clock_step", false, 0, "", when, fmt::format("the sensor's clock was set {}", span_text(when))});
  }
}

std::vector<Interval> Presence::rises(Counter counter) const {
  return worker_rises_[static_cast<size_t>(counter)].within(whole());
}

std::vector<Interval> Presence::rises(PortCounter counter) const {
  return port_rises_[static_cast<size_t>(counter)].within(whole());
}

std::vector<Interval> Presence::rises(CounterGroup group) const {
  IntervalSet sum;
  for (size_t i = 0; i < worker_rises_.size(); ++i) {
    if (WorkerAccount::table()[i].group != group) continue;
    for (const Interval& rise : worker_rises_[i].within(whole())) sum.add(rise);
  }
  return sum.intervals();
}

std::vector<RunFacts> Presence::runs() const {
  std::vector<RunFacts> out;
  for (const auto& [started, run] : runs_) {
    const bool touches = run.covered.empty() ? !run.of_file && overlaps(range_, {started, started})
                                             : overlaps(range_, {run.covered.first_ns(), run.covered.last_ns()});
    if (!touches) continue;
    out.push_back(run.facts);
    out.back().started_ns = started;
    if (run.ended) out.back().ended_ns = run.ended_ns;
  }
  return out;
}

}  // namespace gatetape
