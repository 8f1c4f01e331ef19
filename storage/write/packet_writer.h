// Packets into the store: takes the closed frames of some workers from their queues and writes them into segments, in
// these workers' own directory, or in another one while that one fails. There is one for each directory of the store,
// with a thread of its own, so that a disk that hangs holds up only the workers whose packets belong there.
//
// Where start() is not called, there is no thread, and the caller takes its steps.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/file.h"
#include "common/result.h"
#include "storage/write/directories.h"
#include "storage/write/housekeeper.h"
#include "storage/write/ring.h"
#include "storage/write/segment_file.h"
#include "storage/write/store_worker.h"

namespace gatetape {

class PacketWriter {
 public:
  // `directory`: the index of the directory where segments belong. `failed` is called on the writing thread with each
  // write that fails, after the directories have said it. All that is passed by reference must outlive the writer.
  PacketWriter(FileSystem& files, Directories& directories, size_t directory, Ring& ring, Housekeepers& housekeepers,
               std::function<void(const Result<void>&)> failed);
  ~PacketWriter();
  PacketWriter(const PacketWriter&) = delete;

  // An eventfd for the workers that are served: a queue has got something.
  int wake_fd() const { return wake_fd_; }
  // Call it before start(). The worker must outlive the writer.
  void serve(QueueingStoreWorker& worker);
  void start();
  // Writes one frame from each queue; false when all were empty.
  bool write_queued();
  // Writes all that is queued and hands the segments over for sealing; the thread is gone. Call it when no worker hands
  // over any more.
  void finish();

 private:
  struct Served {
    QueueingStoreWorker* worker;
    std::array<std::shared_ptr<SegmentFile>, kRetentionClassCount> open;  // the segments being written, by class
  };
  void run();
  void wake() const;
  void write(Served& served, const ClosedFrame& frame);
  Result<void> begin_segment(const ClosedFrame& frame, std::shared_ptr<SegmentFile>& segment);
  Result<void> append(const ClosedFrame& frame, std::shared_ptr<SegmentFile>& segment);

  FileSystem& files_;
  Directories& directories_;
  const size_t directory_;
  Ring& ring_;
  Housekeepers& housekeepers_;
  const std::function<void(const Result<void>&)> failed_;
  const int wake_fd_;
  bool any_failed_ = false;
  std::vector<Served> served_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace gatetape
