// The disk of a history, as its calls meet it: fails them, tears writes, dies at a moment, and judges what the store
// does to it meanwhile. Installed as the fault of SimulatedFiles.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulator/random.h"
#include "tests/support/simulated_files.h"

namespace gatetape::simulator {

class Trouble {
 public:
  using Files = test::SimulatedFiles;
  // `say`: what happens, for the trace.
  Trouble(Random random, Files& files, std::function<void(const std::string&)> say);

  // One of `n` calls fails from now on; 0: none does. `code` 0: any errno.
  void fail_one_in(uint64_t n, int code = 0);
  // Only calls of one kind fail; none: of all kinds.
  void only(std::optional<Files::Operation> operation) { only_ = operation; }
  // The machine dies at the n-th call from now: that one may be torn, and none after it is done.
  void die_in(uint64_t calls) { dies_at_ = calls_ + calls; }
  bool dead() const { return dead_; }
  void die() { dead_ = true; }
  void revive();
  // No faults of any kind, while a check reads.
  void pause(bool paused) { paused_ = paused; }

  struct Bounds {
    std::string directory;
    uint64_t ring_bytes = 0;
  };
  void add_bounds(Bounds bounds) { bounds_.push_back(std::move(bounds)); }

  uint64_t failures() const { return failures_; }            // calls that were failed, of a living machine
  uint64_t sync_failures() const { return sync_failures_; }  // those among them that were syncs
  uint64_t ledger_failures() const { return ledger_failures_; }
  uint64_t read_failures() const { return read_failures_; }
  // Segments that the store removed.
  const std::set<std::string>& removed() const { return removed_; }
  uint64_t largest_write() const { return largest_write_; }
  // A thing that the store did and may never do; empty: none.
  const std::string& violation() const { return violation_; }

 private:
  Files::Outcome decide(const Files::Call& call);
  Files::Outcome failure_of(const Files::Call& call);
  void judge_removal(const std::string& path);

  Random random_;
  Files& files_;
  const std::function<void(const std::string&)> say_;
  uint64_t one_in_ = 0;
  int code_ = 0;
  std::optional<Files::Operation> only_;
  uint64_t calls_ = 0, dies_at_ = UINT64_MAX;
  bool dead_ = false, paused_ = false;
  uint64_t failures_ = 0, sync_failures_ = 0, ledger_failures_ = 0, read_failures_ = 0;
  uint64_t times_full_ = 0, times_full_seen_ = 0;  // since a segment was removed
  uint64_t largest_write_ = 0;
  std::vector<Bounds> bounds_;
  std::set<std::string> removed_;
  std::string violation_;
};

bool is_segment(const std::string& path);
// All segments of a directory together.
uint64_t segment_bytes(const test::SimulatedFiles& files, const std::string& directory);

}  // namespace gatetape::simulator
