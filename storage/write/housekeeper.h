// The store's slow work, on a thread of its own: sealing full segments and syncing open ones. Bounded by what there is:
// a job is a file's name. Without start() there is no thread, and the caller does its work, step by step.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "storage/evidence/notary.h"
#include "storage/write/ring.h"
#include "storage/write/segment_file.h"

namespace gatetape {

class Housekeeper {
 public:
  // Called on the housekeeper's thread when a sync failed: this content of the segment may not be on the disk.
  using Unsafe = std::function<void(const SegmentFile&, const SegmentContent&, const Error&)>;
  // References must outlive the housekeeper. `notary` learns of each seal; nullptr: nobody does.
  Housekeeper(FileSystem& files, Ring& ring, Clock& clock, Notary* notary, unsigned sync_interval_s, Unsafe unsafe);
  ~Housekeeper();

  // Something else to do about five times a second. Call it before start().
  void each_round(std::function<void()> task) { task_ = std::move(task); }
  void start();
  // Segments that are written to are synced from time to time, from here ...
  void opened(std::shared_ptr<SegmentFile> segment);
  // ... to here; then they are sealed.
  void finished(std::shared_ptr<SegmentFile> segment);
  // Returns when all that was handed over is sealed, and its name synced.
  void drain();
  // The steps of the thread, for one who works without it. Seals one segment that was handed over; false: there is
  // none.
  bool seal_next();
  // The rest of a round: signs and syncs what is due, or all new names when somebody waits for them. True: all that is
  // open was synced.
  bool end_round(bool draining);
  // Drains, and ends the thread; reports the first thing that failed since the beginning.
  Result<void> stop();
  // How many segments could not be sealed. Call after stop().
  uint32_t unsealed() const { return unsealed_; }

 private:
  void run();
  void seal(SegmentFile& segment);
  Result<void> seal_and_sync(SegmentFile& segment, Ring::Segment& entry);
  // Content that its name's failure to reach the disk puts in doubt is added to `unsafe`.
  Result<void> sync_name(SegmentFile& segment, SegmentContent& unsafe);
  void sync_open();
  void sync_directories();
  void note(const Result<void>& result);

  FileSystem& files_;
  Ring& ring_;
  Clock& clock_;
  Notary* const notary_;
  std::function<void()> task_;
  const int64_t sync_interval_ns_;
  const Unsafe unsafe_;
  int64_t synced_ns_;  // monotonic
  std::mutex mutex_;
  std::condition_variable wake_, drained_;
  bool stopping_ = false;
  unsigned draining_ = 0;  // so many wait for that
  std::deque<std::shared_ptr<SegmentFile>> to_seal_;
  std::map<uint64_t, std::shared_ptr<SegmentFile>> open_;                       // by sequence number
  std::map<std::string, std::vector<std::shared_ptr<SegmentFile>>> new_names_;  // by directory; since its last sync
  uint32_t unsealed_ = 0;
  Result<void> first_failure_;
  std::thread thread_;
};

}  // namespace gatetape
