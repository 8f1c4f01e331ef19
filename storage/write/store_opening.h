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
#include "storage/read/segment_directory.h"
#include "storage/write/ring.h"

namespace gatetape {

// Held as long as these are open. The file tells older versions; the directory itself cannot be replaced unseen.
struct DirectoryLock {
  std::unique_ptr<File> file, directory;
};

// Makes the directory where missing and takes its lock.
Result<DirectoryLock> lock_directory(FileSystem& files, const std::string& directory);

struct UsableDirectories {
  std::map<std::string, DirectoryLock> locks;  // by path
  Result<void> failure;                        // the first of the others
};

// Leaves out directories that cannot be locked and listed now, as long as there is another one. Fails when there is
// none, or when another process has the lock of any.
Result<UsableDirectories> lock_usable(FileSystem& files, const std::vector<std::string>& directories);

struct ExistingSegments {
  std::vector<Ring::Segment> segments;
  uint64_t last_sequence = 0;
  std::vector<PresentSegment> sealed;      // those of them that could be read
  uint64_t recovered = 0, torn_bytes = 0;  // segments a crash left unsealed
  std::vector<SegmentPath> headless;       // segments whose header a crash took, or that look so
  // The newest segment of each stream: what the next one's header refers to.
  struct Tail {
    uint64_t sequence;
    Sha256Digest root;
  };
  std::map<std::string, Tail> tails;  // by file name after the sequence number
};

// Removes half-made files, seals what is unsealed. Segments that cannot be sealed stay as they are, with a warning.
Result<ExistingSegments> take_stock(FileSystem& files, const std::vector<std::string>& directories);

// Segments whose header a crash took, and that were never sealed, must not look like segments for ever: removes those
// in which nothing is, renames the others.
void put_away(FileSystem& files, const std::vector<SegmentPath>& headless);

// How large a store may become.
struct RingSizes {
  std::vector<std::string> directories;
  uint64_t all = 0;            // over all directories; 0: four fifths of what each file system has
  std::vector<uint64_t> each;  // or one for each directory
  uint64_t at_least = 0;       // so much of each part the workers need
};

// Fails when a part is smaller than it has to be, or larger than its file systems, where these can tell.
Result<void> check_ring(FileSystem& files, const RingSizes& sizes);

// Where no size is given, each file system is a part: four fifths of what is free there and what the store has there
// already, and never less than the latter, since a start does not evict. kRingUnbounded where a file system does not
// say: the store grows until the disk is full. `present`: bytes of the store by directory.
inline constexpr uint64_t kRingUnbounded = uint64_t{1} << 62;
std::vector<RingPart> ring_parts(FileSystem& files, const RingSizes& sizes,
                                 const std::map<std::string, uint64_t>& present);

}  // namespace gatetape
