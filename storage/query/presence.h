// Proof of presence: for which parts of a range of time the store can show that the sensor was awake and that all it
// took in is still here. A statement of completeness (storage/query/statement.h) says "complete" only where this class
// finds nothing to say.
//
// The proof has three legs.
//  - Accounts: the sensor writes its totals each second, and a record when a run begins and when it ends properly. Time
//    that no two neighbouring accounts enclose is time in which nobody can say what happened: an outage, a kill, a
//    sensor that hangs.
//  - Chains: each frame says how many packets its stream had been handed by then. Packets that were handed over and lie
//    in no segment are missing, whether a segment was evicted, removed or cut short.
//  - The sum: as many packets as a run's account calls stored must lie in its segments.
// Where the ledger tells why something is not there, it takes a place in its chain: evicted, or removed.
//
// Use: add everything, in any order of kinds, accounts in the order written; then ask. One thread. Memory: one entry
// per run and stream, and one per interruption and per stretch of losses.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/interval_set.h"
#include "common/time_range.h"
#include "packet/records.h"
#include "storage/query/store_history.h"
#include "storage/read/store_reader.h"

namespace gatetape {

// One reason why an answer may lack something that was on the wire.
struct Shortfall {
  std::string_view code;  // for programs: "outage", "not_stored" ...; of static storage
  bool missing = false;   // something is known to be missing; false: nobody can know
  uint64_t count = 0;     // in `unit`; 0: cannot be counted
  std::string_view unit;  // "packets", "records", ...
  std::optional<Interval> when;
  std::string text;                  // one sentence without a full stop
  std::vector<Interval> parts = {};  // the parts of `when` that are meant, where it is not all of it
};

// The parts of `whole` against which nothing stands, the longest first; none where a shortfall has no time.
std::vector<Interval> spans_without(std::span<const Shortfall> shortfalls, Interval whole);

// A run of the sensor, as its records tell.
struct RunFacts {
  int64_t started_ns = 0;
  std::optional<int64_t> ended_ns;  // properly
  bool of_file = false;
  std::string build, host, user, sources, filters, rules, clock;
};

class Presence {
 public:
  Presence() = default;
  explicit Presence(const TimeRange& range) : range_(range) {}

  void add(const RunRecord& record);
  void add(const AccountRecord& record);
  void add(const SyncFailureRecord& record);
  // All segments of the store, as they are after its packets were read, and those that were there once. After all
  // records.
  void add_segments(std::span<const StoredSegment> segments, std::span<const StoreHistory::Segment> absent = {});
  // The runs that the ledgers know, and what is wrong with these. After the segments, which say whose they are.
  // `runs_not_listed`: of those that have segments.
  void add_history(const StoreHistory& history, size_t runs_not_listed);

  // Returns everything that stands against the completeness of an answer over the range. `needs_records`: the question
  // is answered through records, so that missing records may hide packets.
  std::vector<Shortfall> shortfalls(bool needs_records) const;
  // The range; where it is open, as far as accounts reach.
  Interval whole() const;
  // The parts of it in which a counter of losses, or of what was not inspected, rose: to the second, as accounts are.
  std::vector<Interval> rises(Counter counter) const;
  std::vector<Interval> rises(PortCounter counter) const;
  std::vector<Interval> rises(CounterGroup group) const;
  // The runs that touch the range, oldest first.
  std::vector<RunFacts> runs() const;

  // Whether any account of the range is there at all.
  bool known() const { return !covered_.empty(); }

  // Accounts of a port come each second. Two that are further apart do not vouch for the time between them.
  static constexpr int64_t kAccountDistanceMax_ns = 3'000'000'000;

 private:
  struct WorkerFacts {
    int64_t last_account_ns = INT64_MIN;
    WorkerAccount totals;
    PortAccount port;
    uint64_t expected = 0;        // packets that the last account calls stored or on their way to the disk
    uint64_t in_flight = 0;       // those among them that are on their way
    uint64_t dropped_failed = 0;  // closed frames that could not be written
    // Packets that were handed to the store by an account, of which some were still on their way at the last account.
    std::deque<std::pair<int64_t, uint64_t>> undecided;
    int64_t decided_ns = INT64_MIN;  // the last account of whose packets none was
  };
  struct Run {
    bool begun = false, ended = false, of_file = false;
    bool end_evicted = false;        // the ledger knows its end, and records that would tell of it were evicted
    std::optional<int64_t> gone_ns;  // it was dead by then: the next run had the store
    int64_t begun_ns = 0, ended_ns = 0;
    IntervalSet covered;
    std::map<uint16_t, WorkerFacts> workers;
    RunFacts facts;
  };
  // A stream of segments: one worker's packets of one class, or the records of a run.
  struct Stream {
    Uuid run_uuid{};
    SegmentKind kind = SegmentKind::kPackets;
    uint16_t worker = 0;
    RetentionClass retention = RetentionClass::kFull;
    auto operator<=>(const Stream&) const = default;
  };
  struct Handed {
    uint64_t packets = 0;  // handed to the worker's streams and not dropped, up to the newest segments
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
  };

  void note_rises(const AccountRecord& record, const WorkerFacts& before, Interval when);
  void note_doubts(const AccountRecord& record, const WorkerFacts& before, Interval when);
  void say_doubts(std::vector<Shortfall>& out) const;
  void say_covered_kills(std::vector<Shortfall>& out) const;
  std::vector<Interval> uncovered() const;
  Shortfall absence(Interval when) const;
  static Shortfall without_end(const Run& run, Interval when, std::string text);
  // A segment in its stream: present, evicted, or gone without a trace.
  struct Link {
    const StoredSegment* segment;
    bool absent = false, evicted = false;
    bool follows = false;  // one that is absent in the same way
  };
  void walk_stream(std::span<Link> chain);
  static void widen(std::map<int64_t, Interval>& times, const StoredSegment& segment);
  void note_absent(const Link& link);
  void say_absent();
  void add_missing(const StoredSegment& segment, Interval when, uint64_t count);
  void note_unknown_runs(std::span<const StoreHistory::Run> runs);
  void say_broken_off(std::vector<Shortfall>& out) const;
  void compare_runs(std::vector<Shortfall>& out) const;
  void say_open_ends(std::vector<Shortfall>& out) const;

  TimeRange range_;
  std::map<int64_t, Run> runs_;  // by run_started_ns
  IntervalSet covered_;
  IntervalSet link_down_, clock_stepped_;
  std::array<IntervalSet, WorkerAccount::table().size()> worker_rises_;
  std::array<IntervalSet, PortAccount::table().size()> port_rises_;
  struct Absent {
    Interval when;
    uint64_t packets;
  };
  std::map<std::pair<SegmentKind, bool>, std::vector<Absent>> absent_;  // in the range; true: evicted
  std::map<Uuid, int64_t> started_;                                     // when a run that has segments began
  std::set<int64_t> records_evicted_;                                   // runs of which some were
  std::map<int64_t, Interval> stored_;                                  // the time of a run's packets
  std::map<int64_t, Interval> packet_times_;                            // the same with those that are no longer there
  std::vector<Shortfall> unknown_runs_;                                 // told by ledgers, and by what they do not tell
  std::vector<Shortfall> chains_;                                       // shown by the chains of segments
  std::vector<Shortfall> unsafe_;                                       // told by syncs that failed
  std::map<std::pair<int64_t, uint16_t>, Handed> handed_;               // by run and worker
  uint64_t lowest_sequence_ = UINT64_MAX;
  int64_t begins_ns_ = INT64_MIN;  // from here on each stream has segments
};

}  // namespace gatetape
