// Prepares a store for writing: makes and locks its directories, puts the remains of a crash in order, and counts what
// is there into the ring.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/evidence/notary.h"
#include "storage/format/format.h"
#include "storage/write/ring.h"

namespace gatetape {

// Makes the directory where missing and takes its lock; held until the file is closed.
Result<std::unique_ptr<File>> lock_directory(FileSystem& files, const std::string& directory);

struct ExistingSegments {
  std::vector<Ring::Segment> segments;
  uint64_t last_sequence = 0;
  std::vector<PresentSegment> sealed;      // those of them that could be read
  uint64_t recovered = 0, torn_bytes = 0;  // segments a crash left unsealed
  // The newest segment of each stream: what the next one's header refers to.
  struct Tail {
    uint64_t sequence;
    Sha256Digest root;
  };
  std::map<std::string, Tail> tails;  // by file name after the sequence number
};

// Removes half-made files, seals what is unsealed. Segments that cannot be sealed stay as they are, with a warning.
Result<ExistingSegments> take_stock(FileSystem& files, const std::vector<std::string>& directories);

// Fails when a ring of that size is smaller than `at_least`, or larger than the directories' file systems, where these
// can tell.
Result<void> check_ring_bytes(FileSystem& files, const std::vector<std::string>& directories, uint64_t ring_bytes,
                              uint64_t at_least);

// Four fifths of what the directories' file systems have free and the store has already, and never less than the
// latter: a start does not evict. kRingUnbounded where a file system does not say: the store grows until a disk is
// full.
inline constexpr uint64_t kRingUnbounded = uint64_t{1} << 62;
uint64_t default_ring_bytes(FileSystem& files, const std::vector<std::string>& directories, uint64_t bytes_present,
                            uint64_t at_least);

}  // namespace gatetape
