#include "storage/query/presence.h"

#include <catch2/catch.hpp>

#include "storage/query/account_span.h"

using namespace gatetape;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'795'000'000 * kSecond;

// A sensor's run of so many seconds, a packet a millisecond, one segment every ten seconds.
struct MadeRun {
  int64_t started_ns = kStart;
  int64_t seconds = 30;
  bool of_file = false;
  bool ends = true;
  uint8_t uuid = 1;
  uint64_t first_sequence = 1;

  void tell(Presence& presence) const {
    RunRecord begin;
    begin.timestamp_ns = begin.run_started_ns = started_ns;
    begin.of_file = of_file;
    presence.add(begin);
    for (int64_t second = 0; second <= seconds; ++second) presence.add(account(second));
    if (!ends) return;
    RunRecord end = begin;
    end.ended = true;
    end.timestamp_ns = started_ns + seconds * kSecond;
    presence.add(end);
  }
  AccountRecord account(int64_t second) const {
    AccountRecord record;
    record.timestamp_ns = started_ns + second * kSecond;
    record.run_started_ns = started_ns;
    record.of_file = of_file;
    record.worker_account[Counter::kReceived] = static_cast<uint64_t>(second) * 1000;
    // The last second is on its way to the disk until a run has ended.
    const bool settled = second == seconds && ends;
    record.worker_account[Counter::kInFlight] = second == 0 || settled ? 0 : 1000;
    record.worker_account[Counter::kStored] =
        record.worker_account[Counter::kReceived] - record.worker_account[Counter::kInFlight];
    return record;
  }
  std::vector<StoredSegment> segments() const {
    std::vector<StoredSegment> all;
    for (int64_t second = 0; second < seconds; second += 10) {
      StoredSegment facts;
      facts.sequence = first_sequence + static_cast<uint64_t>(second / 10);
      facts.run_uuid.fill(uuid);
      facts.run_started_ns = started_ns;
      facts.packets = 10'000;
      facts.account_added = static_cast<uint64_t>(second + 10) * 1000;
      facts.time_min_ns = started_ns + second * kSecond;
      facts.time_max_ns = started_ns + (second + 10) * kSecond - 1'000'000;
      facts.sealed = true;
      all.push_back(facts);
    }
    return all;
  }
};

TimeRange between(int64_t from_s, int64_t to_s) {
  return {kStart + from_s * kSecond, kStart + to_s * kSecond};
}

std::vector<std::string> codes(const Presence& presence, bool needs_records = false) {
  std::vector<std::string> out;
  for (const Shortfall& shortfall : presence.shortfalls(needs_records)) out.emplace_back(shortfall.code);
  return out;
}

Presence presence_of(const TimeRange& range, const std::vector<MadeRun>& runs) {
  Presence presence(range);
  std::vector<StoredSegment> segments;
  for (const MadeRun& run : runs) {
    run.tell(presence);
    for (const StoredSegment& segment : run.segments()) segments.push_back(segment);
  }
  presence.add_segments(segments);
  return presence;
}

std::vector<Interval> spans_of(const Presence& presence) {
  return spans_without(presence.shortfalls(false), presence.whole());
}

using Codes = std::vector<std::string>;

}  // namespace

TEST_CASE("a run that ended and lost nothing stands against nothing") {
  for (const bool of_file : {false, true}) {
    const MadeRun run{.of_file = of_file};
    CHECK(codes(presence_of({}, {run})).empty());
    CHECK(codes(presence_of(between(3, 20), {run})).empty());
    const auto spans = spans_of(presence_of(between(3, 20), {run}));
    REQUIRE(spans.size() == 1);
    CHECK(spans[0] == Interval{kStart + 3 * kSecond, kStart + 20 * kSecond - 1});
  }
}

TEST_CASE("time that no account encloses is unknown, and it is said why") {
  const MadeRun first, second{.started_ns = kStart + 3600 * kSecond, .uuid = 2, .first_sequence = 4};
  CHECK(codes(presence_of(between(-10, 5), {first})) == Codes{"outage"});
  CHECK(codes(presence_of(between(100, 200), {first, second})) == Codes{"outage"});
  CHECK(codes(presence_of({}, {first, second})) == Codes{"outage"});
  CHECK(codes(presence_of(between(3605, 3620), {first, second})).empty());
  CHECK(codes(presence_of(between(5, 3610), {first, second})) == Codes{"outage"});
  const Presence both = presence_of({}, {first, second});
  for (const Shortfall& shortfall : both.shortfalls(false)) CHECK_FALSE(shortfall.missing);
  CHECK(spans_of(both).size() == 2);
}

TEST_CASE("a run that was killed leaves its end open and what was on its way") {
  const MadeRun killed{.ends = false}, next{.started_ns = kStart + 3600 * kSecond, .uuid = 2, .first_sequence = 4};
  CHECK(codes(presence_of(between(2, 8), {killed, next})).empty());
  CHECK(codes(presence_of(between(20, 3610), {killed, next})) == Codes{"killed"});
  CHECK(codes(presence_of({}, {killed})) == Codes{"open_end"});
  // The newest frames never reached the disk.
  Presence presence{TimeRange{}};
  killed.tell(presence);
  std::vector<StoredSegment> segments = killed.segments();
  segments.back().packets -= 500;
  segments.back().account_added -= 500;
  presence.add_segments(segments);
  CHECK(codes(presence) == Codes{"not_written", "open_end"});
}

TEST_CASE("a sensor that gave no account for a while was not seen to be awake") {
  const MadeRun run;
  Presence presence(between(0, 30));
  for (int64_t second = 0; second <= 30; ++second) {
    if (second < 10 || second > 14) presence.add(run.account(second));
  }
  presence.add_segments(run.segments());
  CHECK(codes(presence) == Codes{"no_account"});
  // A file's time stands still while no packet comes.
  const MadeRun file{.of_file = true};
  Presence paused(between(0, 30));
  for (int64_t second = 0; second <= 30; ++second) {
    if (second < 10 || second > 14) paused.add(file.account(second));
  }
  paused.add_segments(file.segments());
  CHECK(codes(paused).empty());
}

TEST_CASE("each segment that is gone shows in its stream, in packets, and for its time alone") {
  const MadeRun run{.seconds = 50};
  for (size_t gone = 0; gone < 5; ++gone) {
    std::vector<StoredSegment> segments = run.segments();
    segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(gone));
    const auto told = [&](const TimeRange& range) {
      Presence presence(range);
      run.tell(presence);
      presence.add_segments(segments);
      return presence.shortfalls(false);
    };
    INFO("segment " << gone);
    const auto at = static_cast<int64_t>(gone) * 10;
    const std::vector<Shortfall> there = told(between(at + 2, at + 8));
    REQUIRE(there.size() == 1);
    CHECK(there[0].code == "gone");
    CHECK(there[0].missing);
    CHECK(there[0].count == 10'000);
    if (gone != 0) CHECK(told(between(2, 8)).empty());
    if (gone != 4) CHECK(told(between(42, 48)).empty());
  }
}

TEST_CASE("a segment cut short between two frames shows") {
  const MadeRun run;
  for (const size_t cut : {0u, 1u, 2u}) {
    std::vector<StoredSegment> segments = run.segments();
    segments[cut].packets -= 700;
    segments[cut].account_added -= 700;
    segments[cut].time_max_ns -= 700'000'000;
    segments[cut].sealed = false;
    Presence presence{TimeRange{}};
    run.tell(presence);
    presence.add_segments(segments);
    const std::vector<Shortfall> all = presence.shortfalls(false);
    REQUIRE(all.size() == 1);
    CHECK(all[0].count == 700);
  }
}

TEST_CASE("packets that were dropped before the disk are no gap in a chain") {
  const MadeRun run;
  std::vector<StoredSegment> segments = run.segments();
  // 400 of the second segment's packets were dropped: counted in the account, never written.
  segments[1].packets -= 400;
  segments[1].account_dropped = segments[2].account_dropped = 400;
  Presence presence{TimeRange{}};
  for (int64_t second = 0; second <= 30; ++second) {
    AccountRecord record = run.account(second);
    if (second >= 15) {
      record.worker_account[Counter::kStored] -= 400;
      record.worker_account[Counter::kDroppedStoreQueueFull] = 400;
    }
    presence.add(record);
  }
  RunRecord end;
  end.run_started_ns = kStart;
  end.timestamp_ns = kStart + 30 * kSecond;
  end.ended = true;
  presence.add(end);
  presence.add_segments(segments);
  CHECK(codes(presence).empty());  // the account says that they were dropped
}

TEST_CASE("records that are gone weigh more where the question needs them") {
  const MadeRun run;
  std::vector<StoredSegment> segments = run.segments();
  for (uint64_t i = 0; i < 3; ++i) {
    StoredSegment records;
    records.kind = SegmentKind::kRecords;
    records.sequence = 10 + i;
    records.run_uuid.fill(run.uuid);
    records.run_started_ns = kStart;
    records.packets = 50;
    records.account_added = 50 * (i + 1);
    records.time_min_ns = kStart + static_cast<int64_t>(i) * 10 * kSecond;
    records.time_max_ns = records.time_min_ns + 10 * kSecond;
    if (i != 1) segments.push_back(records);
  }
  Presence presence{TimeRange{}};
  run.tell(presence);
  presence.add_segments(segments);
  for (const bool needed : {false, true}) {
    const std::vector<Shortfall> all = presence.shortfalls(needed);
    REQUIRE(all.size() == 1);
    CHECK(all[0].code == "records_gone");
    CHECK(all[0].count == 50);
    CHECK(all[0].missing == needed);
  }
}

TEST_CASE("a run whose last records were evicted did not break off") {
  const MadeRun first{.ends = false}, next{.started_ns = kStart + 3600 * kSecond, .uuid = 2, .first_sequence = 5};
  StoreHistory::Segment records;
  records.facts.kind = SegmentKind::kRecords;
  records.facts.sequence = 4;
  records.facts.run_uuid.fill(first.uuid);
  records.facts.run_started_ns = first.started_ns;
  records.facts.packets = records.facts.account_added = 50;
  records.facts.time_min_ns = first.started_ns + 25 * kSecond;
  records.facts.time_max_ns = first.started_ns + first.seconds * kSecond;
  const auto told = [&](const TimeRange& range, const std::vector<MadeRun>& runs, bool evicted, bool ended) {
    Presence presence(range);
    std::vector<StoredSegment> segments;
    for (const MadeRun& run : runs) {
      run.tell(presence);
      for (const StoredSegment& segment : run.segments()) segments.push_back(segment);
    }
    records.evicted_ns = evicted ? std::optional(kStart + 4000 * kSecond) : std::nullopt;
    presence.add_segments(segments, std::span(&records, 1));
    StoreHistory history;
    history.runs = {{records.facts.run_uuid, first.started_ns, {}, ended}};
    presence.add_history(history, 0);
    return codes(presence);
  };
  CHECK(told(between(40, 3610), {first, next}, true, true) == Codes{"records_evicted"});
  CHECK(told(between(40, 3610), {first, next}, true, false) == Codes{"killed"});
  CHECK(told(between(40, 3610), {first, next}, false, true) == Codes{"killed"});
  CHECK(told({}, {first}, true, true) == Codes{"records_evicted"});
  CHECK(told(between(5, 20), {first, next}, true, true).empty());
}

TEST_CASE("a store whose first segments are gone does not begin where it began") {
  const MadeRun run{.first_sequence = 7};
  CHECK(codes(presence_of({}, {run})) == Codes{"begins_later"});
  CHECK(codes(presence_of(between(2, 28), {run})).empty());
}

TEST_CASE("time with a link down is doubtful, and no other") {
  const MadeRun run;
  const auto presence = [&](const TimeRange& range) {
    Presence out(range);
    for (int64_t second = 0; second <= 30; ++second) {
      AccountRecord record = run.account(second);
      const bool down = second >= 10 && second < 14;
      record.port_account[PortCounter::kLinksDown] = down;
      // Down for four seconds, and later for a moment between two accounts.
      record.port_account[PortCounter::kLinkDowns] = second < 10 ? 0 : second < 22 ? 1 : 2;
      out.add(record);
    }
    RunRecord end;
    end.run_started_ns = kStart;
    end.timestamp_ns = kStart + 30 * kSecond;
    end.ended = true;
    out.add(end);
    out.add_segments(run.segments());
    return out;
  };
  CHECK(codes(presence({})) == Codes{"link_down", "link_down"});
  CHECK(codes(presence(between(11, 13))) == Codes{"link_down"});
  CHECK(codes(presence(between(22, 25))) == Codes{"link_down"});
  CHECK(codes(presence(between(1, 9))).empty());
  CHECK(codes(presence(between(15, 20))).empty());
  const auto spans = spans_of(presence(between(0, 30)));
  REQUIRE(spans.size() == 3);
  CHECK(spans[0] == Interval{kStart, kStart + 9 * kSecond - 1});
}

TEST_CASE("a clock that was set makes the time of its step doubtful, and is no outage") {
  for (const int64_t step_s : {-1800, 1800}) {
    const MadeRun run;
    Presence presence{TimeRange{}};
    for (int64_t second = 0; second <= 30; ++second) {
      AccountRecord record = run.account(second);
      if (second >= 15) {
        record.timestamp_ns += step_s * kSecond;
        record.worker_account[Counter::kClockSteps] = 1;
      }
      presence.add(record);
    }
    RunRecord end;
    end.run_started_ns = kStart;
    end.timestamp_ns = kStart + (30 + step_s) * kSecond;
    end.ended = true;
    presence.add(end);
    presence.add_segments(run.segments());
    CAPTURE(step_s);
    const std::vector<Shortfall> all = presence.shortfalls(false);
    REQUIRE(all.size() == 1);
    CHECK(all[0].code == "clock_step");
    const int64_t before = kStart + 14 * kSecond, after = kStart + (15 + step_s) * kSecond;
    CHECK(all[0].when == Interval{std::min(before, after), std::max(before, after)});
  }
}

TEST_CASE("losses are placed in time") {
  const MadeRun run;
  const auto presence = [&](const TimeRange& range) {
    Presence out(range);
    for (int64_t second = 0; second <= 30; ++second) {
      AccountRecord record = run.account(second);
      record.port_account[PortCounter::kMissed] = second < 12 ? 0 : second < 13 ? 5 : 7;
      record.worker_account[Counter::kFilteredBpf] = second < 20 ? 0 : 1;
      record.worker_account[Counter::kTcpSegments] = static_cast<uint64_t>(second);
      out.add(record);
    }
    return out;
  };
  const std::vector<Interval> missed = presence({}).rises(PortCounter::kMissed);
  REQUIRE(missed.size() == 1);
  CHECK(missed[0] == Interval{kStart + 11 * kSecond, kStart + 13 * kSecond});
  CHECK(presence({}).rises(CounterGroup::kFiltered) ==
        std::vector<Interval>{{kStart + 19 * kSecond, kStart + 20 * kSecond}});
  CHECK(presence({}).rises(Counter::kDroppedStoreFailed).empty());
  CHECK(presence(between(14, 18)).rises(PortCounter::kMissed).empty());
}

TEST_CASE("packets that were lost on their way to the disk are lost when they came, not when they were counted") {
  const Counter loss = GENERATE(Counter::kDroppedKilled, Counter::kDroppedStoreQueueFull, Counter::kDroppedStoreFailed);
  // A thousand packets a second. Those of the third second lie in a frame that is given up in the fifth.
  struct Second {
    uint64_t received, stored, lost;
  };
  const std::vector<Second> seconds{{0, 0, 0},          {1000, 900, 0},     {2000, 1900, 0},
                                    {3000, 2000, 0},    {4000, 2000, 0},    {5000, 3900, 1000},
                                    {6000, 4950, 1000}, {7000, 6000, 1000}, {8000, 7000, 1000}};
  const auto account = [&](size_t i) {
    AccountRecord record;
    record.run_started_ns = kStart;
    record.timestamp_ns = kStart + static_cast<int64_t>(i) * kSecond;
    const auto& [received, stored, lost] = seconds[i];
    record.worker_account[Counter::kReceived] = received;
    record.worker_account[Counter::kStored] = stored;
    record.worker_account[loss] = lost;
    record.worker_account[Counter::kInFlight] = received - stored - lost;
    return record;
  };
  const auto lost_in = [&](const TimeRange& range) {
    AccountSpan span(range);
    for (size_t i = 0; i < seconds.size(); ++i) span.add(account(i));
    return span.worker()[loss];
  };
  CHECK(lost_in(between(0, 2)) == 0);
  CHECK(lost_in(between(2, 3)) == 1000);
  CHECK(lost_in({kStart + 2'200'000'000, kStart + 2'400'000'000}) == 1000);
  CHECK(lost_in(between(3, 4)) == 1000);
  CHECK(lost_in(between(6, 7)) == 0);
  CHECK(lost_in({}) == 1000);
  Presence presence(between(0, 8));
  for (size_t i = 0; i < seconds.size(); ++i) presence.add(account(i));
  CHECK(presence.rises(loss) == std::vector<Interval>{{kStart + 2 * kSecond, kStart + 5 * kSecond}});
}

TEST_CASE("an account that is met twice, or late, changes nothing") {
  const MadeRun run{.ends = false};
  Presence once{TimeRange{}}, twice{TimeRange{}};
  run.tell(once);
  run.tell(twice);
  twice.add(run.account(30));
  twice.add(run.account(12));
  once.add_segments(run.segments());
  twice.add_segments(run.segments());
  CHECK(codes(once) == codes(twice));
  CHECK(spans_of(once) == spans_of(twice));
}

TEST_CASE("another run over the same time does not hide that one was killed") {
  const MadeRun killed{.seconds = 20, .ends = false};
  const MadeRun other{.started_ns = kStart + kSecond / 2, .seconds = 40, .uuid = 2, .first_sequence = 3};
  const auto told = [&](const TimeRange& range) { return codes(presence_of(range, {killed, other})); };
  CHECK(told(between(2, 18)).empty());
  CHECK(told(between(2, 22)) == Codes{"killed"});
  CHECK(told(between(30, 40)).empty());
  CHECK(told({}) == Codes{"killed"});
  // The other took the store over: the killed one was dead by then.
  Presence presence(between(22, 40));
  std::vector<StoredSegment> segments = killed.segments();
  killed.tell(presence);
  const MadeRun next{.started_ns = kStart + 21 * kSecond, .seconds = 40, .uuid = 2, .first_sequence = 3};
  next.tell(presence);
  for (const StoredSegment& segment : next.segments()) segments.push_back(segment);
  presence.add_segments(segments);
  CHECK(codes(presence) == Codes{"killed"});
  StoreHistory history;
  history.runs = {{segments.front().run_uuid, killed.started_ns, next.started_ns, false},
                  {segments.back().run_uuid, next.started_ns, std::nullopt, true}};
  presence.add_history(history, 0);
  CHECK(codes(presence).empty());
}
