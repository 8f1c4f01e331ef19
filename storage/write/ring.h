// Keeps the store within its size: where room is needed, the sealed segment whose content is the oldest gives way. Any
// thread; files are removed, and their tombstones synced, without the ring's lock, and where start() was called ahead
// of the need, on a thread of the ring's own.
//
// The oldest is the one whose last packet is: a segment that was begun long ago and still gets packets is none. Pinned
// segments stay. A segment of records stays as long as packets of its time do, unless records fill half of the part.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "common/file.h"
#include "common/result.h"
#include "storage/evidence/notary.h"

namespace gatetape {

// Directories that share a size.
struct RingPart {
  std::vector<std::string> directories;
  uint64_t bytes_max = 0;
};

class Ring {
 public:
  struct Segment {
    uint64_t sequence = 0;
    std::string path;
    uint64_t bytes = 0;
    bool pinned = false;
    SegmentKind kind = SegmentKind::kPackets;
    int64_t time_min_ns = 0, time_max_ns = 0;  // its content is between them
    std::optional<SegmentFacts> facts;         // as the ledger has it; none: it is not listed there
    bool said_stuck = false;                   // that it cannot be removed was said
    bool operator<(const Segment& other) const {
      return std::tie(time_max_ns, sequence, path) < std::tie(other.time_max_ns, other.sequence, other.path);
    }
  };

  // Each directory belongs to one part.
  Ring(FileSystem& files, std::vector<RingPart> parts);
  ~Ring();

  // Each eviction of a listed segment is a tombstone in the ledger first. Call it before the first one.
  void keep_tombstones(Notary& notary) { notary_ = &notary; }
  // From here on room is made ahead. Without it whoever needs room makes it.
  void start();
  // Nothing is evicted ahead any more when it returns.
  void stop();
  // Called instead of waiting for a segment to be sealed: it seals one.
  void instead_of_waiting(std::function<void()> seal_one) { seal_one_ = std::move(seal_one); }

  // A segment that is written to holds packets from this time on, until add_sealed().
  void note_open(uint64_t sequence, int64_t first_ns);
  // A segment is full and will be sealed: add_sealed() follows for it. reserve() waits for that rather than fail.
  void expect_sealed();
  // A segment that was added without its seal is to be sealed after all: it is not evicted until add_sealed() follows
  // for it. False: it is being evicted, or gone.
  bool expect_sealed_again(const Segment& segment);
  // Adds a sealed segment, which can be evicted from now on. `bytes_counted` of it went through reserve() before.
  void add_sealed(Segment segment, uint64_t bytes_counted);
  // Makes room for `bytes` more in the directory's part and counts them. Waits while the only segments that could make
  // room are being sealed or removed. Fails when nothing but pinned and open segments is left, and they fill the part.
  Result<void> reserve(const std::string& directory, uint64_t bytes);
  void unreserve(const std::string& directory, uint64_t bytes);
  // Removes the oldest segment on the directory's file system, which is full; false when none can be removed. An eighth
  // of the most that the store held there in this run stays: the disk is full of something else then. `may_wait`: for
  // those that are being sealed; not for whoever seals.
  bool make_room(const std::string& directory, bool may_wait);
  // Makes a call of the disk that may find no room: once more as it is, since the lack may have passed, and then after
  // each eviction that make_room() manages.
  template <class Call>
  auto with_room(const std::string& directory, bool may_wait, Call call) {
    auto result = call();
    if (!result && is_out_of_space(result.error())) result = call();
    while (!result && is_out_of_space(result.error()) && make_room(directory, may_wait)) result = call();
    return result;
  }

  // Keeps a segment from being evicted, or lets it go; one that is not sealed yet is kept from then on. Fails with the
  // reason when it is refused: pins may fill half of the part that the segment is in.
  Result<void> pin(uint64_t sequence, const Uuid& segment, bool on);
  // Those of earlier runs. Call it before their segments are added.
  void restore_pins(const std::map<uint64_t, Uuid>& pins);
  uint64_t pinned_bytes() const;

  uint64_t bytes() const;
  uint64_t evicted() const;
  // Names of what was evicted since the last call.
  std::vector<std::string> take_evicted();

 private:
  struct Part {
    uint64_t bytes_max = 0, bytes = 0;
  };
  struct Disk {
    uint64_t bytes = 0, most = 0;  // that the store has there, and the most of this run
  };
  struct Place {
    Part* part;
    Disk* disk;
  };
  using Wanted = std::function<bool(const Segment&)>;

  const Place& place_of(const Segment& segment) const { return places_.at(parent_directory(segment.path)); }
  void count(const Place& place, uint64_t bytes);
  void uncount(const Place& place, uint64_t bytes);
  // Removes the oldest segments that are wanted, up to so many bytes of them and at least one; false: there was none
  // that could be removed. The lock is free meanwhile.
  bool evict(std::unique_lock<std::mutex>& lock, EvictionReason reason, uint64_t bytes, const Wanted& wanted);
  std::vector<Segment> take_victims(std::set<Segment>& from, uint64_t bytes, const Wanted& wanted);
  bool remove(std::unique_lock<std::mutex>& lock, EvictionReason reason, std::vector<Segment> victims);
  void evict_ahead(std::unique_lock<std::mutex>& lock);
  bool has_packets_of(const Segment& records) const;
  bool may_go(const Segment& segment) const;
  uint64_t record_bytes(const Part* part) const;
  void wait_for_seal(std::unique_lock<std::mutex>& lock);
  bool is_pinned(const Segment& segment) const { return segment.pinned || pins_.contains(segment.sequence); }
  uint64_t pinned_bytes_locked(const Part* part) const;
  Result<void> check_pin(const Segment& segment, const Uuid& pinned) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_, ahead_;
  bool started_ = false, stopping_ = false, look_ahead_ = false;
  unsigned expected_ = 0;  // segments that are being sealed
  unsigned leaving_ = 0;   // segments that are being removed
  std::set<uint64_t> leaving_numbers_;
  FileSystem& files_;
  Notary* notary_ = nullptr;
  std::vector<Part> parts_;
  std::map<uint64_t, Disk> disks_;       // by device
  std::map<std::string, Place> places_;  // by directory
  std::function<void()> seal_one_;
  uint64_t evicted_ = 0;
  std::map<uint64_t, int64_t> open_;  // first times of segments that are not sealed, by sequence number
  std::set<Segment> sealed_;
  std::set<Segment> stuck_;  // could not be removed: still there, still counted, tried again when nothing else is left
  std::map<uint64_t, Uuid> pins_;  // asked for, by sequence number; at most kPinsMax
  static constexpr size_t kPinsMax = 1 << 16;
  std::vector<std::string> evicted_names_;  // at most kNamesMax
  static constexpr size_t kNamesMax = 1000;
  std::thread thread_;
};

}  // namespace gatetape
