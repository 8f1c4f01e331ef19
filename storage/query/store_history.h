// The history of stores, as their ledgers (storage/FORMAT.md, ledger) tell it of segments and runs that have left no
// file: which were evicted, and which runs began and have no end. An extract uses it to say why something is not there.
// Signatures are not checked here; storage/evidence/store_verify.h does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/format/format.h"
#include "storage/read/store_reader.h"

namespace gatetape {

struct StoreHistory {
  struct Run {
    Uuid uuid{};
    int64_t started_ns = 0;            // wall time
    std::optional<int64_t> before_ns;  // the next run of the same store began
    bool ended = false;                // properly
  };
  struct Segment {
    StoredSegment facts;                // as they were sealed; without a path
    std::optional<int64_t> evicted_ns;  // a tombstone says so
  };
  std::vector<Run> runs;
  std::vector<Segment> segments;       // all that were ever sealed
  std::vector<std::string> stores;     // uuid of each store, in hexadecimal
  std::vector<std::string> problems;   // ledgers that are damaged or cannot be read
  std::vector<std::string> strangers;  // directories in which nothing is of a store: a disk that is not mounted
};

// Runs that have segments here and no entry in a ledger; without those before a ledger began.
size_t runs_not_listed(const StoreHistory& history, std::span<const StoredSegment> present);

// Reads the ledgers of these directories; a directory without one has no history. Memory: an entry for each segment.
StoreHistory read_history(FileSystem& files, const std::vector<std::string>& directories);

// Those of the history's segments that are not among these.
std::vector<StoreHistory::Segment> absent_segments(const StoreHistory& history, std::span<const StoredSegment> present);

}  // namespace gatetape
