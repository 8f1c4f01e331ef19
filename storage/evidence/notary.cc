#include "storage/evidence/notary.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "common/log.h"

namespace gatetape {
namespace {

// The history that a ledger tells, and whether a holder of `key` may go on with it.
class History {
 public:
  History(const SigningKey* key, std::vector<PresentSegment> present) : key_(key) {
    for (PresentSegment& segment : present) present_.emplace(segment.uuid, std::move(segment));
  }

  void add(const LedgerEntry& entry, const Uuid& store) {
    if (const auto* introduced = std::get_if<KeyIntroduced>(&entry.content)) last_key_ = introduced->key;
    if (const auto* checkpoint = std::get_if<Checkpoint>(&entry.content)) check(checkpoint->note, store);
    if (const auto* sealed = std::get_if<SegmentSealed>(&entry.content)) list(sealed->segment);
    if (const auto* evicted = std::get_if<SegmentEvicted>(&entry.content)) {
      list(evicted->segment);
      numbered_.erase(evicted->segment.sequence);
    }
    if (const auto* pin = std::get_if<Pin>(&entry.content)) note(*pin);
    if (const auto* started = std::get_if<RunStarted>(&entry.content)) open_runs_.insert(started->run_uuid);
    if (const auto* ended = std::get_if<RunEnded>(&entry.content); ended != nullptr && ended->unsealed == 0) {
      open_runs_.erase(ended->run_uuid);
    }
    if (entry.header.is_leaf()) tree_.add(entry.leaf);
  }

  // Empty: it may. Else why not.
  std::string objection() const {
    if (key_ == nullptr) return {};
    if (!problem_.empty()) return problem_;
    if (!last_note_) return holds_segments_ ? "it was never signed" : "";
    if (!signed_by_us()) return "its last checkpoint is not signed by this key, nor by one that this key replaced";
    return {};
  }
  const Ed25519Key* last_key() const { return last_key_ ? &*last_key_ : nullptr; }
  std::vector<PresentSegment> take_unlisted() {
    std::vector<PresentSegment> unlisted;
    for (auto& [uuid, segment] : present_) {
      if (open_runs_.contains(segment.run_uuid)) unlisted.push_back(std::move(segment));
    }
    return unlisted;
  }
  std::map<std::string, SegmentFacts> take_listed() { return std::move(listed_); }
  std::map<uint64_t, Uuid> take_pinned() { return std::move(pinned_); }
  std::map<uint64_t, SegmentFacts> take_numbered() { return std::move(numbered_); }
  uint64_t last_sequence() const { return last_sequence_; }
  bool any_run_broke_off() const { return !open_runs_.empty(); }
  uint64_t leaves() const { return tree_.size(); }
  uint64_t signed_leaves() const { return last_note_ ? last_note_->checkpoint.tree_size : 0; }

 private:
  void note(const Pin& pin) {
    if (pin.pinned) {
      pinned_[pin.sequence] = pin.segment_uuid;
    } else {
      pinned_.erase(pin.sequence);
    }
  }

  void list(const SegmentFacts& listed) {
    holds_segments_ = true;
    last_sequence_ = std::max(last_sequence_, listed.sequence);
    numbered_[listed.sequence] = listed;
    const auto at = present_.find(listed.uuid);
    if (at == present_.end()) return;
    listed_.emplace(at->second.path, listed);
    present_.erase(at);
  }

  void check(const std::string& text, const Uuid& store) {
    auto note = SignedNote::parse(text);
    if (!note || note->checkpoint.origin != note_origin(store) || note->checkpoint.tree_size != tree_.size() ||
        note->checkpoint.root != tree_.root()) {
      problem_ = "a checkpoint in it does not fit its entries";
      return;
    }
    last_note_ = std::move(*note);
  }

  bool signed_by_us() const {
    const auto by = [&](const Ed25519Key& key) {
      const auto* signature = last_note_->by(key);
      return signature != nullptr && verify_signature(key, last_note_->signed_text, signature->signature);
    };
    if (by(key_->public_key())) return true;
    return std::any_of(key_->endorsements().begin(), key_->endorsements().end(),
                       [&](const KeyEndorsement& endorsement) { return by(endorsement.previous); });
  }

  const SigningKey* const key_;
  std::map<Uuid, PresentSegment> present_;  // less those that are listed
  std::map<std::string, SegmentFacts> listed_;
  std::map<uint64_t, Uuid> pinned_;
  std::set<Uuid> open_runs_;  // that did not end cleanly
  MerkleTree tree_;
  std::optional<Ed25519Key> last_key_;
  std::optional<SignedNote> last_note_;
  std::string problem_;
  bool holds_segments_ = false;
  std::map<uint64_t, SegmentFacts> numbered_;  // those without a tombstone
  uint64_t last_sequence_ = 0;
};

struct Opened {
  std::unique_ptr<LedgerWriter> ledger;
  std::string objection;
};

Result<Opened> open_present(FileSystem& files, const std::string& directory, History& history) {
  auto reader = LedgerReader::open(files, ledger_path(directory));
  if (!reader && reader.error().code != 0) return pass_on(reader);
  if (!reader) return Opened{nullptr, reader.error().message};  // no ledger, or one of another version
  const Uuid store = reader->header().store_uuid;
  auto ledger = LedgerWriter::open(files, directory, [&](const LedgerEntry& entry) { history.add(entry, store); });
  if (!ledger && ledger.error().code == EBADMSG) return Opened{nullptr, ledger.error().message};
  if (!ledger) return pass_on(ledger);
  const std::string objection = history.objection();
  return Opened{std::move(*ledger), objection.empty() ? "" : ledger_path(directory) + ": " + objection};
}

Result<void> set_aside(FileSystem& files, const std::string& directory, const std::string& why, int64_t now_ns) {
  const std::string path = ledger_path(directory);
  const std::string aside = fmt::format("{}.set-aside-{}", path, now_ns);
  if (auto renamed = files.rename(path, aside); !renamed) return renamed;
  log_warning("{}; it is kept as {}, and a new ledger begins: what it vouched for no longer verifies", why, aside);
  return {};
}

}  // namespace

Result<std::unique_ptr<Notary>> Notary::open(FileSystem& files, const std::string& directory, EvidenceOptions options,
                                             const Uuid& new_store, const Uuid& run,
                                             std::vector<PresentSegment> present, Clock& clock) {
  const int64_t now = clock.wall_ns();
  std::optional<History> history(std::in_place, options.key.get(), std::move(present));
  auto opened = open_present(files, directory, *history);
  if (!opened && opened.error().code != ENOENT) return pass_on(opened);
  std::unique_ptr<LedgerWriter> ledger;
  if (opened && opened->objection.empty()) {
    ledger = std::move(opened->ledger);
  } else {
    if (opened) {
      opened->ledger.reset();
      if (auto done = set_aside(files, directory, opened->objection, now); !done) return pass_on(done);
    }
    history.emplace(options.key.get(), std::vector<PresentSegment>());
    auto made = LedgerWriter::create(files, directory, {new_store, now});
    if (!made) return pass_on(made);
    ledger = std::move(*made);
  }
  if (history->leaves() > history->signed_leaves() && history->signed_leaves() != 0) {
    // They were found unsigned, and are signed from now on: a reader of the ledger must be able to tell.
    options.run_facts.emplace_back("unsigned_leaves",
                                   fmt::format("{} {}", history->signed_leaves(), history->leaves()));
  }
  RunStarted started{run, now, options.run_facts};
  std::unique_ptr<Notary> notary(new Notary(std::move(ledger), std::move(options), run, clock));
  notary->unlisted_ = history->take_unlisted();
  notary->listed_ = history->take_listed();
  notary->pinned_ = history->take_pinned();
  notary->last_sequence_ = history->last_sequence();
  notary->any_run_broke_off_ = history->any_run_broke_off();
  notary->numbered_ = history->take_numbered();
  notary->introduce_key(history->last_key());
  notary->append(std::move(started));
  std::lock_guard lock(notary->mutex_);
  notary->note(notary->sign());
  return notary;
}

// Entries that lead from the ledger's last key to ours.
void Notary::introduce_key(const Ed25519Key* last_key) {
  if (options_.key == nullptr || (last_key != nullptr && *last_key == options_.key->public_key())) return;
  if (last_key == nullptr) {
    append(KeyIntroduced{clock_.wall_ns(), options_.key->public_key(), {}, {}});
    return;
  }
  bool found = false;
  for (const KeyEndorsement& e : options_.key->endorsements()) {
    found = found || e.previous == *last_key;
    if (found) append(KeyIntroduced{clock_.wall_ns(), e.key, e.previous, e.signature});
  }
  if (!found) append(KeyIntroduced{clock_.wall_ns(), options_.key->public_key(), {}, {}});
}

void Notary::note(const Result<void>& result) {
  if (!result && !failing_) log_error("the ledger: {}", result.error().message);
  if (result && failing_) log_info("the ledger is written again");
  failing_ = !result;
}

void Notary::append(const LedgerContent& content) {
  std::lock_guard lock(mutex_);
  note(ledger_->append(content));
}

bool Notary::record(const std::vector<LedgerContent>& entries) {
  std::lock_guard lock(mutex_);
  if (auto written = ledger_->sync(); !written) {
    note(written);
    return false;
  }
  for (const LedgerContent& entry : entries) note(ledger_->append(entry));  // written later where it fails now
  note(sign());
  return true;
}

void Notary::sealed(SegmentSealed segment) {
  std::lock_guard lock(mutex_);
  note(ledger_->append(std::move(segment)));
  note(sign());
}

void Notary::evicted(const std::vector<SegmentFacts>& segments, EvictionReason reason) {
  std::lock_guard lock(mutex_);
  Result<void> written;
  for (const SegmentFacts& segment : segments) {
    Result<void> appended = ledger_->append(SegmentEvicted{segment, clock_.wall_ns(), reason, ""});
    if (written) written = appended;
  }
  if (written) written = ledger_->sync();
  note(written);
}

void Notary::unpinned(uint64_t sequence, const Uuid& segment, const std::string& reason) {
  append(Pin{clock_.wall_ns(), false, sequence, segment, "gatetape", "refused: " + reason});
}

void Notary::room_was_made() {
  std::lock_guard lock(mutex_);
  if (failing_) note(ledger_->sync());
}

Result<void> Notary::sign() {
  if (options_.key == nullptr) return ledger_->sync();
  // Entries that wait for room are tried first: what is signed is in the file.
  if (auto written = ledger_->sync(); !written) return written;
  const auto tree = ledger_->tree();
  if (!tree) return {};
  const CheckpointText checkpoint{note_origin(store()), tree->size(), tree->root(), clock_.wall_ns()};
  const std::string text = options_.key->sign(checkpoint);
  signed_at_ns_ = clock_.monotonic_ns();
  if (tree->size() != signed_leaves_) {
    if (auto written = ledger_->append(Checkpoint{text}); !written) return written;
    if (auto synced = ledger_->sync(); !synced) return synced;
    signed_leaves_ = tree->size();
  }
  // Also when nothing was added: that it comes says that the sensor lives.
  if (options_.hand_out) options_.hand_out(text);
  return {};
}

void Notary::tick() {
  std::lock_guard lock(mutex_);
  if (clock_.monotonic_ns() - signed_at_ns_ < options_.checkpoint_interval_s * kNanosecondsPerSecond) return;
  signed_at_ns_ = clock_.monotonic_ns();  // not tried again at once when it fails
  note(sign());
}

Result<void> Notary::end(uint32_t unsealed, LedgerFacts facts) {
  std::lock_guard lock(mutex_);
  Result<void> written = ledger_->append(RunEnded{run_, clock_.wall_ns(), unsealed, std::move(facts)});
  if (written) written = sign();
  note(written);
  return written;
}

}  // namespace gatetape
