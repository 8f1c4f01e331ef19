// What happens before a store can be written: directories made and locked, the remains of a crash put in order, and
// what is there counted into the ring.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/format/format.h"
#include "storage/write/ring.h"

namespace gatetape {

// Makes the directory where missing and takes its lock; held until the file is closed.
Result<File> lock_directory(const std::string& directory);

struct ExistingSegments {
  std::vector<Ring::Segment> segments;
  uint64_t last_sequence = 0;
  uint64_t recovered = 0, torn_bytes = 0;  // segments a crash left unsealed
  // The newest segment of each stream: what the next one's header refers to.
  struct Tail {
    uint64_t sequence;
    Sha256Digest root;
  };
  std::map<std::string, Tail> tails;  // by file name after the sequence number
};

// Removes half-made files, seals what is unsealed. Segments that cannot be sealed stay as they are, with a warning.
Result<ExistingSegments> take_stock(const std::vector<std::string>& directories);

// Four fifths of what the directories' file systems have free, beside what the store has already.
uint64_t default_ring_bytes(const std::vector<std::string>& directories, uint64_t bytes_present);

}  // namespace gatetape
