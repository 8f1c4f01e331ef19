// An outlet for records that never stops the recorder. It stands behind a bounded queue, on a thread of its own: a
// reader that goes away, a full disk or a pipe that nobody reads costs records of this outlet, counted by cause, and
// nothing else. The outlet tries its target again until the program ends.
//
//   Outlet eve("eve", std::make_unique<EveFile>(path));
//   eve.start({.may_wait = !live, .stop = &stop});
//   eve.write(batch);          // from one thread
//   eve.end();                 // the last record was written; returns at once
//   counts = eve.wait();       // all is written, or given up and counted
//
// Loss: records are lost when the queue is full, and when the target did not take them in time at the end. Where the
// source can wait (a file), write() waits for room as long as the target moves at all, so that a slow reader gets every
// record. Where records were lost, the target gets an "outlet.lost" event in their place.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"
#include "export/outlet_target.h"
#include "packet/records.h"

namespace gatetape {

// Name of the event that says so, in the outlet and in the store.
inline constexpr std::string_view kEventOutletLost = "outlet.lost";

enum class OutletLoss : uint8_t {
  kStalled,   // the reader read nothing, or a device hung
  kNoReader,  // the pipe has no reader
  kNoSpace,   // the disk or the quota is full
  kError,     // any other error
  kStopped,   // the program was told to end before a slow reader had taken them
};
inline constexpr size_t kOutletLossCount = 5;
const char* to_string(OutletLoss cause);  // "stalled", "no_reader", "no_space", "error", "stopped"

// At the end written + lost_total() == offered.
struct OutletCounts {
  std::string name, path;
  uint64_t offered = 0;  // records, the outlet's own events included
  uint64_t written = 0;  // taken by the target, and not left behind in a pipe that nobody reads
  std::array<uint64_t, kOutletLossCount> lost{};
  uint64_t troubles = 0;  // how often the target stopped taking records

  uint64_t lost_total() const;
  std::string lost_text() const;  // "120 (stalled 100, no_space 20)"
};

struct OutletOptions {
  size_t queue_bytes_max = 16 << 20;
  // The target is the purpose of the run (`rules test`): its errors end the run, and it is waited for without limit.
  bool required = false;
  // A target that has taken nothing for so long is not waited for.
  std::chrono::milliseconds patience{3000};
  // Once the program was told to end, the outlet gets so long to write what is queued.
  std::chrono::milliseconds patience_at_stop{1000};
};

struct OutletStart {
  bool may_wait = false;                                // the source can wait: write() may block
  const std::atomic<bool>* stop = nullptr;              // becomes true when the program is told to end; may be null
  const std::atomic<uint32_t>* reopen_count = nullptr;  // each change asks to open the target anew; may be null
};

class Outlet : public RecordSink {
 public:
  Outlet(std::string name, std::unique_ptr<OutletTarget> target, OutletOptions options = {});
  ~Outlet() override;  // gives up what is not written
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  // Opens the target and starts the thread. Fails when the target cannot be right.
  Result<void> start(const OutletStart& start);
  // One thread calls it, between start() and end(). Copies the batch. Fails only when the target is required and broke.
  Result<void> write(const RecordBatch& batch) override;
  // No more records will come.
  void end();
  // Waits until all is written or given up; says on stderr how many records were lost. Call after end().
  OutletCounts wait();
  // Fails once a required target broke. Any thread.
  Result<void> status() const;
  // The counts so far. Any thread.
  OutletCounts counts() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the thread, which may be left behind in a system call that does not return
};

}  // namespace gatetape
