// Keeps the store within its size: the oldest sealed segment that is not pinned gives way. Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/file.h"
#include "common/result.h"
#include "storage/evidence/notary.h"

namespace gatetape {

class Ring {
 public:
  struct Segment {
    uint64_t sequence = 0;
    std::string path;
    uint64_t bytes = 0;
    bool pinned = false;
    std::optional<SegmentFacts> facts;  // as the ledger has it; none: it is not listed there
    bool said_stuck = false;            // that it cannot be removed was said
    bool operator<(const Segment& other) const {
      return std::tie(sequence, path) < std::tie(other.sequence, other.path);
    }
  };

  Ring(FileSystem& files, uint64_t bytes_max) : files_(files), bytes_max_(bytes_max) {}

  // Each eviction of a listed segment is a tombstone in the ledger first. Call it before the first one.
  void keep_tombstones(Notary& notary) { notary_ = &notary; }

  // A segment is full and will be sealed: add_sealed() follows for it. reserve() waits for that rather than fail.
  void expect_sealed();
  // Adds a sealed segment, which can be evicted from now on. `bytes_counted` of it went through reserve() before.
  void add_sealed(Segment segment, uint64_t bytes_counted);
  // Makes room for `bytes` more and counts them. Waits while the only segments that could make room are being sealed.
  // Fails when nothing but pinned and open segments is left, and they fill the ring.
  Result<void> reserve(uint64_t bytes);
  void unreserve(uint64_t bytes);
  // Removes the oldest sealed unpinned segment of the directory, since its disk is full; false when there is none that
  // can be removed. `may_wait`: for those that are being sealed; not for whoever seals.
  bool evict_oldest(const std::string& directory, bool may_wait);

  // Keeps a segment from being evicted, or lets it go; one that is not sealed yet is kept from then on. Fails with the
  // reason when it is refused: pins may fill half of the ring.
  Result<void> pin(uint64_t sequence, const Uuid& segment, bool on);
  // Those of earlier runs. Call it before their segments are added.
  void restore_pins(const std::map<uint64_t, Uuid>& pins);
  uint64_t pinned_bytes() const;

  uint64_t bytes() const;
  uint64_t evicted() const;
  // Names of what was evicted since the last call.
  std::vector<std::string> take_evicted();

 private:
  // In one directory, or in all.
  bool evict_oldest_locked(EvictionReason reason, const std::string* directory);
  bool evict_one_of(std::set<Segment>& segments, EvictionReason reason, const std::string* directory);
  bool is_pinned(const Segment& segment) const { return segment.pinned || pins_.contains(segment.sequence); }
  uint64_t pinned_bytes_locked() const;
  Result<void> check_pin(const Segment& segment, const Uuid& pinned) const;

  mutable std::mutex mutex_;
  std::condition_variable sealed_one_;
  unsigned expected_ = 0;  // segments that are being sealed
  FileSystem& files_;
  Notary* notary_ = nullptr;
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  uint64_t evicted_ = 0;
  std::set<Segment> sealed_;
  std::set<Segment> stuck_;  // could not be removed: still there, still counted, tried again when nothing else is left
  std::map<uint64_t, Uuid> pins_;  // asked for, by sequence number; at most kPinsMax
  static constexpr size_t kPinsMax = 1 << 16;
  std::vector<std::string> evicted_names_;  // at most kNamesMax
  static constexpr size_t kNamesMax = 1000;
};

}  // namespace gatetape
