// The store's slow work: sealing full segments and syncing open ones. A Housekeeper does it for one directory, on a
// thread of its own, so that a disk that hangs holds up no other; Housekeepers are those of a store. Bounded by what
// there is: a job is a file's name. Without start() there are no threads, and the caller does the work, step by step.
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

  // Something else to do about five times a second and when it drains. Call it before start().
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
  // The rest of a round: the task, and syncing what is due, or all new names when somebody waits for them. True: all
  // that is open was synced.
  bool end_round(bool draining);
  // Drains, and ends the thread; reports the first thing that failed since the beginning.
  Result<void> stop();
  // How many segments could not be sealed. Call after stop().
  uint32_t unsealed() const { return static_cast<uint32_t>(unsealed_.size()) + unsafe_seals_; }

 private:
  void run();
  void seal(const std::shared_ptr<SegmentFile>& segment);
  void seal_again(bool last);
  Result<void> seal_and_sync(SegmentFile& segment, Ring::Segment& entry, bool& safe);
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
  // Whose packets are safe, but whose index could not be written; tried again from time to time.
  std::vector<std::shared_ptr<SegmentFile>> unsealed_;
  int64_t seal_again_ns_ = 0;  // monotonic
  uint32_t unsafe_seals_ = 0;  // that the disk did not confirm
  Result<void> first_failure_;
  std::thread thread_;
};

// One for each directory, by which segments find theirs. Any thread, but for the steps.
class Housekeepers {
 public:
  // See Housekeeper. A segment's directory must be one of these.
  Housekeepers(FileSystem& files, Ring& ring, Clock& clock, Notary* notary, unsigned sync_interval_s,
               const std::vector<std::string>& directories, const Housekeeper::Unsafe& unsafe);

  // The first one's, whose directory has the ledger.
  void each_round(std::function<void()> task) { keepers_.front()->each_round(std::move(task)); }
  void start();
  void opened(std::shared_ptr<SegmentFile> segment);
  void finished(std::shared_ptr<SegmentFile> segment);
  void drain();
  Result<void> stop();
  uint32_t unsealed() const;

  // The steps. seal_next() seals one segment of any directory; end_round() is true when all that is open was synced.
  bool seal_next();
  bool end_round();

 private:
  Housekeeper& of(const SegmentFile& segment) { return *by_directory_.at(parent_directory(segment.path())); }

  std::vector<std::unique_ptr<Housekeeper>> keepers_;
  std::map<std::string, Housekeeper*> by_directory_;
};

}  // namespace gatetape
