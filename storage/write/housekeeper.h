// The store's slow work, on a thread of its own: sealing full segments and syncing open ones. Bounded by what there is:
// a job is a file's name.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "common/clock.h"
#include "storage/evidence/notary.h"
#include "storage/write/ring.h"
#include "storage/write/segment_file.h"

namespace gatetape {

class Housekeeper {
 public:
  // References must outlive the housekeeper. `notary` learns of each seal; nullptr: nobody does.
  Housekeeper(FileSystem& files, Ring& ring, Clock& clock, Notary* notary, unsigned sync_interval_s);
  ~Housekeeper();

  // Something else to do about five times a second. Call it before start().
  void each_round(std::function<void()> task) { task_ = std::move(task); }
  void start();
  // Segments that are written to are synced from time to time, from here ...
  void opened(std::shared_ptr<SegmentFile> segment);
  // ... to here; then they are sealed.
  void finished(std::shared_ptr<SegmentFile> segment);
  // Seals what was handed over and ends the thread; reports the first thing that failed since the beginning.
  Result<void> stop();
  // How many segments could not be sealed. Call after stop().
  uint32_t unsealed() const { return unsealed_; }

 private:
  void run();
  void seal(SegmentFile& segment);
  void sync_open();
  void note(const Result<void>& result);

  FileSystem& files_;
  Ring& ring_;
  Clock& clock_;
  Notary* const notary_;
  std::function<void()> task_;
  const int64_t sync_interval_ns_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::deque<std::shared_ptr<SegmentFile>> to_seal_;
  std::map<uint64_t, std::shared_ptr<SegmentFile>> open_;  // by sequence number
  std::set<std::string> changed_directories_;              // since the last sync
  uint32_t unsealed_ = 0;
  Result<void> first_failure_;
  std::thread thread_;
};

}  // namespace gatetape
