// Sealing: reads a segment's frames back and appends the index (FORMAT.md, sealing). The same for a segment that is
// full and for one that a crash left behind. Off the packet path.
#pragma once

#include <string>

#include "common/file.h"
#include "storage/evidence/ledger_entry.h"
#include "storage/format/format.h"
#include "storage/format/sealing.h"

namespace gatetape {

struct SealedSegment {
  SegmentHeader header;
  SegmentSummary summary;
  uint32_t frames = 0;
  uint64_t file_bytes = 0;
  bool was_sealed = false;
  Result<void> synced;  // how the sync went that ends the sealing
};

// As the ledger has it. `path`: of its file.
SegmentFacts facts_of(const SealedSegment& sealed, const std::string& path);

// Cuts off a torn tail, appends index and trailer, syncs; a sync that fails leaves it sealed, and is told. Does nothing
// to a segment that is sealed, even if its index or its trailer was damaged since. A segment that cannot be read to its
// end is left as it is: its tail may be whole.
Result<SealedSegment> seal_segment(FileSystem& files, const std::string& path);

}  // namespace gatetape
