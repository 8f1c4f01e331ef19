// Checks a store's ledger against a key: that its entries are whole and in order, that the tree over them is what was
// signed, by this key or one that it endorsed. What it says of segments is then to be believed, and is handed on.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/evidence/ledger_reader.h"
#include "storage/evidence/segment_verify.h"
#include "storage/evidence/signing_key.h"

namespace gatetape {

struct ListedSegment {
  SegmentFacts facts;
  uint64_t leaf = 0;
  bool recovered = false;
  SegmentDamage damage = {};  // known of one that was recovered
};

struct LedgerVerdict {
  std::vector<Finding> findings;
  std::vector<std::string> remarks;
  // The segments that the ledger says were sealed, by uuid; and those that it says were evicted.
  std::map<Uuid, ListedSegment> listed;
  std::set<Uuid> evicted;
  uint64_t extractions = 0;        // entries of them
  std::map<uint64_t, Pin> pinned;  // in force, by sequence number
  std::optional<Uuid> open_run;    // the last run began and did not end cleanly
  std::set<Uuid> broken_runs;      // all that did not; the last one among them
  int64_t created_ns = 0;
  uint64_t leaves = 0;
  uint64_t signed_leaves = 0;  // by the key or one that it endorsed
  int64_t signed_ns = 0;       // when the last such signature was made
  bool torn = false;           // it ends in an entry that was not written whole
};

// `fingerprint`: of the key that is trusted. `outside`: checkpoints that left the machine.
// Fails when there is no ledger, or it cannot be read to its end.
Result<LedgerVerdict> verify_ledger(FileSystem& files, const std::string& path, const std::string& fingerprint,
                                    const std::vector<SignedNote>& outside);

// Begins a note in base64, in a line of a log.
inline constexpr std::string_view kNoteWord = "gatetape-note:";

// The notes of a file that checkpoints were handed out to: one after another, or a line each of a syslog with the note
// in base64 behind "gatetape-note:". Part of a note at the end of the file is let pass, when there are others. Fails
// when the file cannot be read, holds none, or one is damaged.
Result<std::vector<SignedNote>> read_checkpoint_file(FileSystem& files, const std::string& path);

}  // namespace gatetape
