// The reading side: any number of readers, in other processes, while the writer writes. They take no lock and ask for
// no permission.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/file.h"
#include "common/result.h"
#include "packet/records.h"
#include "packet/stored_packet.h"
#include "storage/format/format.h"
#include "storage/format/index_filter.h"

namespace gatetape {

struct StoreQuery {
  std::optional<int64_t> since_ns;  // first instant wanted
  std::optional<int64_t> until_ns;  // first instant no longer wanted
  IndexFilter index;
};

// Records of these types whose time, or any part of whose span of time, lies in the range.
struct RecordQuery {
  std::optional<int64_t> since_ns, until_ns;
  RecordTypes types = kAllRecordTypes;
};

struct ReadStatistics {
  uint64_t segments = 0, segments_read = 0;
  uint64_t frames = 0, frames_read = 0;  // decompressed
  uint64_t frames_damaged = 0;           // checksum wrong or unreadable: skipped, counted, named in `damage`
  uint64_t packets_damaged = 0;          // in packet frames that were skipped so, as far as their number is known
  int64_t damaged_first_ns = INT64_MAX, damaged_last_ns = INT64_MIN;  // over those frames
  uint64_t bits_repaired = 0;         // single bits that had flipped, and were put right in memory
  std::vector<std::string> repaired;  // as `damage`
  uint64_t segments_vanished = 0;     // listed, and gone when their turn came: evicted meanwhile
  uint64_t packets_visited = 0;
  uint64_t bytes_read = 0;
  uint64_t torn_bytes = 0;           // after the last whole frame of unsealed segments: a crash, or being written
  std::vector<std::string> damage;   // "DIR/file: offset N: what"; the first 100
  uint64_t foreign_entries = 0;      // look like segments and are none: links, pipes, folders; not opened
  std::vector<std::string> foreign;  // "DIR/entry: what"; the first 100
};

struct StoreSummary {
  uint64_t packets = 0, captured_bytes = 0, stored_bytes = 0, segments = 0, segments_open = 0;
  int64_t oldest_ns = 0, newest_ns = 0;
  // Over all runs, equal ones of one store once; Packet::interface_id counts these.
  std::vector<StoreInterface> interfaces;
  ReadStatistics read;  // its damage
};

// A segment's own account of itself, and of its stream up to its end.
struct StoredSegment {
  std::string path;
  SegmentKind kind = SegmentKind::kPackets;
  RetentionClass retention = RetentionClass::kFull;
  uint16_t worker = 0;
  uint64_t sequence = 0;
  Uuid uuid{}, run_uuid{};
  int64_t run_started_ns = 0;
  bool sealed = false;
  bool damaged = false;          // some of it could not be read, or is not there
  uint64_t packets = 0;          // in it; of a records segment: records
  uint64_t account_added = 0;    // handed to its stream by the run so far
  uint64_t account_dropped = 0;  // those among them that were dropped before they could be written
  int64_t time_min_ns = 0, time_max_ns = 0;
};

class StoreReader {
 public:
  // `files` must outlive the reader.
  static Result<std::unique_ptr<StoreReader>> open(const std::vector<std::string>& directories,
                                                   FileSystem& files = system_files());
  virtual ~StoreReader() = default;
  // Visits matching frames' packets within the time range in order of arrival: one ordinal domain by ordinal, several
  // merged by time. `visit` returns false to stop. Damage is counted, not an error. A segment that is evicted meanwhile
  // is left out.
  virtual Result<ReadStatistics> packets(const StoreQuery& query,
                                         const std::function<bool(const StoredPacket&)>& visit) = 0;
  // Visits the records that the query asks for: HTTP transactions among themselves in the order written, alerts, too,
  // and so all others. After the accounts come those of the store's account file, which may be newer, or repeat them.
  virtual Result<ReadStatistics> records(const RecordQuery& query, const std::function<bool(const Record&)>& visit) = 0;
  // The sums as they were when the reader was first asked.
  virtual Result<StoreSummary> summary() = 0;
  // All segments that can be opened, in order of their sequence numbers.
  virtual Result<std::vector<StoredSegment>> segments() = 0;
};

}  // namespace gatetape
