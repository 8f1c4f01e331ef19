// A store's packets: its segment streams, run by run, and the numbers of their interfaces. One thread.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "storage/read/packet_stream.h"
#include "storage/read/segment_directory.h"
#include "storage/read/store_reader.h"

namespace gatetape {

class StreamTable {
 public:
  // `files` must outlive the table.
  StreamTable(FileSystem& files, std::vector<std::string> directories);

  // See StoreReader::packets. With `marks` only frames that were not read before are read, and they are marked.
  Result<ReadStatistics> packets(const StoreQuery& query, const std::function<bool(const StoredPacket&)>& visit,
                                 FrameMarks* marks = nullptr);

  // The segments, and an account of what is in their way.
  Result<std::vector<SegmentPath>> segments(ReadStatistics& statistics);
  // The segments, each once. Adds what is none, and the copies of others.
  Result<std::vector<SegmentPath>> list_once(std::vector<ForeignEntry>& foreign);
  // Runs number their interfaces each from 0: where those of this segment are among those of all runs.
  std::vector<uint16_t> interface_ids(const SegmentHeader& header, const std::string& path);
  const std::vector<StoreInterface>& interfaces() const { return interfaces_; }  // of all segments seen so far
  // Looks at all segments, for interfaces() to know theirs.
  Result<void> find_interfaces();
  const std::vector<std::string>& directories() const { return directories_; }

 private:
  // Runs in order of time, then domain, worker and class.
  struct Key {
    int64_t run_started_ns;
    Uuid run_uuid;
    uint32_t ordinal_domain;
    uint16_t worker;
    RetentionClass retention;
    auto operator<=>(const Key&) const = default;
  };
  struct Stream {
    std::vector<std::string> segments;
    std::vector<uint16_t> interface_ids;
  };
  using Streams = std::map<Key, Stream>;
  // A file's segment, as far as it must be known to find copies of it.
  struct Identity {
    Uuid uuid{};
    int64_t created_ns = 0;
    // The copy that is worth most is read.
    bool sealed = false;
    uint64_t bytes = 0;
    bool has_its_name = false;
    auto worth() const { return std::tuple(sealed, bytes, has_its_name); }
  };
  const Identity* identity_of(const std::string& path);
  void find_stores();
  Result<Streams> streams(ReadStatistics& statistics, const FrameMarks* marks);

  FileSystem& files_;
  std::vector<std::string> directories_;
  std::map<std::string, std::string> stores_;   // where there are several: the first directory of a directory's store
  std::map<std::string, Identity> identities_;  // by path
  std::vector<StoreInterface> interfaces_;
};

// Reads a store that is being recorded into, time after time, and each packet once.
class StoreTail {
 public:
  explicit StoreTail(const std::vector<std::string>& directories, FileSystem& files = system_files())
      : table_(files, directories) {}

  // Visits the packets of frames that came since the last call, in order of arrival as far as they have come. `visit`
  // returns false to stop for good.
  Result<ReadStatistics> packets(const StoreQuery& query, const std::function<bool(const StoredPacket&)>& visit) {
    return table_.packets(query, visit, &marks_);
  }
  // The interfaces of all segments that are there by now.
  Result<std::vector<StoreInterface>> interfaces() {
    if (Result<void> found = table_.find_interfaces(); !found) return pass_on(found);
    return table_.interfaces();
  }

 private:
  StreamTable table_;
  FrameMarks marks_;
};

}  // namespace gatetape
