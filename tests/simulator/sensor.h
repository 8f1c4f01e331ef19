// A sensor of a history: what a capture does with its store (capture/session.cc), one step at a time. It counts what it
// takes in, so that the store's counts have something to be held against.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/write/stepped_store.h"
#include "tests/simulator/wire.h"
#include "tests/support/turned_clock.h"

namespace gatetape::simulator {

class Sensor {
 public:
  struct Options {
    unsigned number = 0;  // among the sensors of the history
    unsigned workers = 1;
    std::vector<std::string> directories;
    uint64_t ring_bytes = 0, segment_bytes = 0;
    bool references = false;
    unsigned checkpoint_interval_s = 60;
  };
  // Totals of a run.
  struct Counts {
    uint64_t received = 0, missed = 0;
    uint64_t stored = 0, dropped = 0, pending = 0;
  };

  // References must outlive the sensor.
  Sensor(Options options, FileSystem& files, test::TurnedClock& clock, Wire& wire,
         std::shared_ptr<const SigningKey> key);

  bool running() const { return store_ != nullptr; }
  const Options& options() const { return options_; }
  // Begins a run with that number over the history, unique uuids following from `seed`.
  Result<void> start(uint64_t run, uint64_t seed);
  // Packets arrive at a worker; or the driver misses them.
  void receive(unsigned packets, int64_t apart_ns, Random& random);
  void miss(unsigned packets, int64_t apart_ns);
  // The workers' and the records thread's regular work; writes an account when a second has passed.
  void tick();
  bool write() { return store_->step_writing(); }
  bool seal() { return store_->step_sealing(); }
  // The housekeeper seals what it can before it syncs.
  bool sync();
  // The proper end.
  Result<void> stop();
  // The process is gone; the caller has seen to it that nothing reaches the disk any more.
  void die();

  uint64_t run() const { return run_; }
  Counts counts() const;
  // Empty: counts and account balance.
  std::string imbalance() const;
  bool started_once() const { return started_; }
  // Checkpoints that left the machine, oldest first.
  const std::vector<std::string>& notes() const { return *notes_; }

 private:
  void write_accounts();
  RecordBatch mark(bool ended) const;

  const Options options_;
  FileSystem& files_;
  test::TurnedClock& clock_;
  Wire& wire_;
  const std::shared_ptr<const SigningKey> key_;
  const std::shared_ptr<std::vector<std::string>> notes_ = std::make_shared<std::vector<std::string>>();
  std::unique_ptr<SteppedStore> store_;
  uint64_t run_ = 0;
  int64_t run_started_ns_ = 0, last_account_ns_ = 0;
  std::vector<uint64_t> received_;  // by worker; the next packet's ordinal
  uint64_t missed_ = 0;
  Counts last_;  // the counts of a run that ended
  bool started_ = false;
};

}  // namespace gatetape::simulator
