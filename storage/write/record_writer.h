// Records into the store, beside the packets: gathered by what is asked for together into compressed, checksummed
// frames (FORMAT.md, records). Any thread; a record is on disk about a second after it was handed over, or at close().
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>

#include "common/clock.h"
#include "packet/records.h"
#include "storage/format/compression.h"
#include "storage/format/format.h"
#include "storage/format/hash_tree.h"
#include "storage/write/directories.h"
#include "storage/write/housekeeper.h"
#include "storage/write/identities.h"
#include "storage/write/ring.h"
#include "storage/write/segment_file.h"

namespace gatetape {

class RecordWriter : public RecordSink {
 public:
  // `next_sequence` hands out sequence numbers. `base` has the run's fields set, and the previous segment's. All that
  // is passed by reference must outlive the writer.
  RecordWriter(FileSystem& files, Directories& directories, SegmentHeader base, uint64_t segment_bytes_max,
               std::function<uint64_t()> next_sequence, const Identities& identities, Clock& clock, Ring& ring,
               Housekeepers& housekeepers);

  // Takes the batch over. While the disk fails records wait in memory, some megabytes of them; what is beyond that is
  // lost: it is said, the frames that follow count it, and close() fails.
  Result<void> write(const RecordBatch& batch) override;
  // Writes out what has waited for half a second, unless another thread is in here: it will be asked again.
  void flush_if_old();
  // Writes out everything and hands the segment over for sealing.
  void finish_segment_now();
  // The end: writes what came since, and then `last`, into a segment of its own that appears sealed and synced, or not
  // at all. What comes later is refused. Returns the first failure since the beginning.
  Result<void> close(const RecordBatch& last);

 private:
  // Records on their way into a frame.
  struct Pending {
    ByteSink bytes;
    uint32_t records = 0;
    RecordTypes types = 0;
    int64_t since_ns = 0;  // monotonic
  };
  enum Group : size_t { kHttp, kAlerts, kRuns, kOthers, kGroupCount };
  static Group group_of(uint8_t type);

  void gather(const RecordBatch& batch);
  bool flush(Pending& pending);
  void flush_all();
  bool append(const Pending& pending);
  Result<std::shared_ptr<SegmentFile>> create_segment(const std::string& directory);
  Result<void> write_last();
  Result<void> write_last_to(const std::string& directory);
  Result<void> append(SegmentFile& segment, const Pending& pending);
  Result<void> begin_segment(const Pending& pending);
  void lose(Pending& pending);
  ByteSink frame_of(const Pending& pending, FrameHeader& header);
  void finish_segment();

  std::mutex mutex_;
  FileSystem& files_;
  Directories& directories_;
  SegmentHeader header_;
  uint64_t segment_bytes_max_;
  std::function<uint64_t()> next_sequence_;
  const Identities& identities_;
  Clock& clock_;
  Ring& ring_;
  Housekeepers& housekeepers_;
  Compressor compressor_{1};
  std::shared_ptr<SegmentFile> segment_;
  uint64_t records_ = 0;  // written, or lost: readers find by it how many are missing
  uint64_t lost_ = 0;
  HashTree hash_tree_;
  std::vector<Sha256Digest> roots_;  // one per frame of the segment
  std::array<Pending, kGroupCount> pending_;
  bool closed_ = false;
  Result<void> failure_;  // the first
};

}  // namespace gatetape
