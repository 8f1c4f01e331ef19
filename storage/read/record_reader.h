// Reading record segments.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "storage/read/segment_reader.h"

namespace gatetape {

// The runs that segments name in their headers.
struct RunsSeen {
  std::set<Uuid> uuids;
  int64_t newest_started_ns = INT64_MIN;
};

// Visits the records of a segment that the query asks for; false when `visit` asked to stop.
bool read_records(FileSystem& files, const std::string& path, const RecordQuery& query, ReadStatistics& statistics,
                  RunsSeen& runs, const std::function<bool(const Record&)>& visit);
// Whether the record lies in the query's range and is of its types.
bool is_asked_for(const Record& record, const RecordQuery& query);

// The span of time a record is about: a flow's first to last packet, one instant for the others.
struct RecordTime {
  int64_t first_ns, last_ns;
};
RecordTime time_of(const Record& record);

// Null when the file is gone (evicted meanwhile) or no segment we can read; the latter is counted as damage.
std::unique_ptr<SegmentReader> open_segment(FileSystem& files, const std::string& path, ReadStatistics& statistics);

}  // namespace gatetape
