// Keeps a store's ledger while a capture runs, and signs it: a checkpoint when a run begins, at each seal, at a fixed
// interval, and at the clean end. A checkpoint goes into the ledger, and out of the machine to whoever must be able to
// tell later that nothing was taken away.
//
// The ledger that is found is gone on with only when its last checkpoint is signed by this key, or by one that this key
// replaced, and its tree is what was signed. Else it is set aside under another name, and a new one begun: a recorder
// must not sign what it cannot vouch for. Where the ledger can neither be read nor written, open() fails, and the store
// goes on without one.
//
// Any thread, off the packet path; calls are serialised.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/clock.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/signing_key.h"

namespace gatetape {

struct EvidenceOptions {
  std::shared_ptr<const SigningKey> key;  // nullptr: the ledger is kept, but nothing is signed
  LedgerFacts run_facts;                  // for RunStarted
  unsigned checkpoint_interval_s = 60;
  // Hands a signed note out of the machine. Must not block.
  std::function<void(const std::string& note)> hand_out;
};

// A sealed segment file that a starting run finds.
struct PresentSegment {
  std::string path;
  Uuid uuid{}, run_uuid{};
};

class Notary {
 public:
  // `directory`: the store's first. `new_store`: the uuid of its ledger if it has none yet. `present`: what a killed
  // run may have left, see unlisted().
  static Result<std::unique_ptr<Notary>> open(FileSystem& files, const std::string& directory, EvidenceOptions options,
                                              const Uuid& new_store, const Uuid& run,
                                              std::vector<PresentSegment> present, Clock& clock);

  // Those of `present` that are in no leaf, though a run wrote them that is in the ledger and did not end cleanly: to
  // be handed to sealed(), marked as recovered. What no run of this ledger wrote is not signed.
  const std::vector<PresentSegment>& unlisted() const { return unlisted_; }
  // The others that this ledger lists, by path, as it has them.
  const std::map<std::string, SegmentFacts>& listed() const { return listed_; }
  // The highest sequence number that the ledger gives to a segment, there or gone; 0: it lists none.
  uint64_t last_sequence() const { return last_sequence_; }
  // Whether a run before this one did not end cleanly.
  bool any_run_broke_off() const { return any_run_broke_off_; }
  // The segment that the ledger lists under that number, unless it has a tombstone; nullptr: none. For files that
  // cannot be read. Both as the ledger was when it was opened.
  const SegmentFacts* numbered(uint64_t sequence) const {
    const auto at = numbered_.find(sequence);
    return at == numbered_.end() ? nullptr : &at->second;
  }

  // The segments that were pinned when the run began, by sequence number.
  const std::map<uint64_t, Uuid>& pinned() const { return pinned_; }

  // Appends. What fails is said on stderr once, and again when it goes well.
  void append(const LedgerContent& content);
  // The same, and signs.
  void sealed(SegmentSealed segment);
  // Appends all, signs, and says whether they are in the ledger. When it cannot be written, nothing is appended.
  bool record(const std::vector<LedgerContent>& entries);
  // Writes tombstones. Call it before the files are removed: the tombstones are on the disk then, or, when there is no
  // room for them, kept in memory until there is.
  void evicted(const std::vector<SegmentFacts>& segments, EvictionReason reason);
  // The store itself lets a pinned segment go, for that reason.
  void unpinned(uint64_t sequence, const Uuid& segment, const std::string& reason);
  // A file was removed: what waited for room is written.
  void room_was_made();
  // Signs when the interval has passed. Call it every second or more often.
  void tick();
  // The clean end of the run; nothing may be appended after it.
  Result<void> end(uint32_t unsealed, LedgerFacts facts);

  const Uuid& store() const { return ledger_->header().store_uuid; }

 private:
  Notary(std::unique_ptr<LedgerWriter> ledger, EvidenceOptions options, const Uuid& run, Clock& clock)
      : ledger_(std::move(ledger)), options_(std::move(options)), run_(run), clock_(clock) {}
  void note(const Result<void>& result);
  void introduce_key(const Ed25519Key* last_key);
  Result<void> sign();

  const std::unique_ptr<LedgerWriter> ledger_;
  const EvidenceOptions options_;
  const Uuid run_;
  Clock& clock_;
  std::vector<PresentSegment> unlisted_;
  std::map<std::string, SegmentFacts> listed_;
  std::map<uint64_t, Uuid> pinned_;
  std::map<uint64_t, SegmentFacts> numbered_;
  uint64_t last_sequence_ = 0;
  bool any_run_broke_off_ = false;
  std::mutex mutex_;
  uint64_t signed_leaves_ = 0;
  int64_t signed_at_ns_ = 0;  // monotonic
  bool failing_ = false;
};

}  // namespace gatetape
