// How far back a store reaches and for how long it lasts. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/read/store_reader.h"

namespace gatetape {

// A fact of a run in the ledger: the size that its ring was given, in bytes.
inline constexpr const char* kRingBytesFact = "ring_bytes";

struct Retention {
  uint64_t ring_bytes = 0;           // the newest run's ring; 0: as large as the disk, or not known
  double bytes_per_second = 0;       // on disk, by the packets of the newest run; 0: too few to tell
  uint64_t overwritten_packets = 0;  // evicted since the ledger began
  uint64_t overwritten_segments = 0;
  std::optional<int64_t> overwritten_until_ns;  // the newest packet among them
  std::vector<int64_t> unclean_runs_ns;         // beginnings of runs that ended without a word, oldest first

  // Seconds of traffic that the ring holds at that rate; nothing when the one or the other is not known.
  std::optional<double> seconds_that_fit() const;
};

// `now_ns`: wall time. A run without an end counts as unclean when another began after it, or when it gives no sign of
// life.
Retention retention_of(FileSystem& files, const std::vector<std::string>& directories, const StoreSummary& summary,
                       const std::vector<StoredSegment>& segments, int64_t now_ns);

}  // namespace gatetape
