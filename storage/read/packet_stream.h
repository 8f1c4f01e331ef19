// The packets of one segment stream (a worker's packets of one class) that a query may want, in order of writing, a
// frame at a time in memory.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/read/frame_reader.h"
#include "storage/read/literal_cache.h"
#include "storage/read/segment_reader.h"
#include "storage/read/store_reader.h"

namespace gatetape {

// The interface of a packet that names one its segment does not have: a writer's mistake, shown as such.
inline constexpr uint16_t kUnknownInterface = 0xffff;

// How far a reader that comes back has read a store.
struct FrameMarks {
  std::map<Uuid, size_t> read;     // frames of a segment that were there when it was read
  std::set<std::string> finished;  // sealed segments that were read
};

class PacketStream {
 public:
  // `segments`: one run's paths, in order. `interface_ids`: what the run's interfaces are called by the reader. All
  // references must outlive the stream. With `marks` it reads only frames that are not marked, and marks them.
  PacketStream(FileSystem& files, std::vector<std::string> segments, std::vector<uint16_t> interface_ids,
               const StoreQuery& query, LiteralCache& cache, ReadStatistics& statistics, FrameMarks* marks = nullptr);

  // Steps to the next packet; false at the end.
  bool next();
  const StoredPacket& packet() const { return packet_; }

 private:
  bool next_frame();
  bool open_next_segment();
  bool read_frame(uint32_t frame);
  bool in_time(int64_t time_min_ns, int64_t time_max_ns) const;

  FileSystem& files_;
  std::vector<std::string> segments_;
  std::vector<uint16_t> interface_ids_;
  const StoreQuery& query_;
  LiteralCache& cache_;
  ReadStatistics& statistics_;
  FrameMarks* marks_;
  size_t first_frame_ = 0;  // the first one of the segment that is not marked
  size_t next_segment_ = 0;
  std::unique_ptr<SegmentReader> segment_;
  uint64_t segment_bytes_counted_ = 0;
  Postings candidates_;
  size_t next_candidate_ = 0;
  FrameReader frame_;
  std::vector<uint8_t> sections_;
  std::vector<bool> wanted_;
  size_t next_row_ = 0;
  bool frame_open_ = false;
  StoredPacket packet_;
};

// For SegmentReader: counts damage and keeps the first hundred.
SegmentReader::DamageReport record_damage(ReadStatistics& statistics);
// For SegmentReader: counts bits that were put right and keeps the first hundred.
SegmentReader::DamageReport record_repair(ReadStatistics& statistics);

}  // namespace gatetape
