#include "storage/evidence/ledger_verify.h"

#include <algorithm>
#include <cerrno>

#include "common/time_text.h"
#include "storage/evidence/merkle_tree.h"

namespace gatetape {
namespace {

std::string short_name(const Ed25519Key& key) {
  return key_fingerprint(key).substr(0, 16) + "…";
}

class Verification {
 public:
  Verification(const std::string& path, const LedgerHeader& header, std::string fingerprint,
               const std::vector<SignedNote>& outside)
      : path_(path), origin_(note_origin(header.store_uuid)), fingerprint_(std::move(fingerprint)) {
    verdict_.created_ns = header.created_ns;
    for (const SignedNote& note : outside) outside_.emplace(note.checkpoint.tree_size, &note);
  }

  void take(const LedgerEntry& entry) {
    if (unwritten_.empty()) return add(entry);
    after_unwritten_.push_back(entry);
    if (std::holds_alternative<Checkpoint>(entry.content)) judge_unwritten();
  }

  void add(const LedgerEntry& entry) {
    if (entry.header.leaves != tree_.size()) broken(entry.offset, "an entry is missing before this one");
    check_outside();
    const LedgerContent& content = entry.content;
    if (const auto* sealed = std::get_if<SegmentSealed>(&content)) add(*sealed, entry.offset);
    if (const auto* evicted = std::get_if<SegmentEvicted>(&content)) add(*evicted, entry.offset);
    if (const auto* started = std::get_if<RunStarted>(&content)) add(*started);
    if (const auto* ended = std::get_if<RunEnded>(&content)) add(*ended);
    verdict_.extractions += std::holds_alternative<Custody>(content);
    if (const auto* pin = std::get_if<Pin>(&content)) add(*pin);
    if (const auto* key = std::get_if<KeyIntroduced>(&content)) add(*key, entry.offset);
    if (const auto* checkpoint = std::get_if<Checkpoint>(&content)) add(*checkpoint, entry.offset);
    if (entry.header.is_leaf()) tree_.add(entry.leaf);
  }

  // Damage that a power cut may have left in the last entries is no finding yet.
  void damaged(uint64_t offset, std::string what, bool maybe_unwritten) {
    unwritten_.push_back({path_, offset, std::move(what)});
    if (!maybe_unwritten) judge_unwritten();
  }

  LedgerVerdict finish(uint64_t end, bool torn) {
    verdict_.torn = torn || !unwritten_.empty();
    check_outside();
    for (const auto& [size, note] : outside_) {
      if (size > tree_.size()) {
        wrong(end, fmt::format(
                       "the ledger ends here, after {} entries, but a checkpoint of {} covers {}: the newest are gone",
                       tree_.size(), format_time(note->checkpoint.time_ns), size));
        break;
      }
    }
    check_signatures();
    if (recovered_ != 0) {
      verdict_.remarks.push_back(fmt::format(
          "{} segments were left by runs that were killed, and sealed and signed when the next began", recovered_));
    }
    verdict_.leaves = tree_.size();
    return std::move(verdict_);
  }

 private:
  struct Key {
    Ed25519Key key{}, previous{};
    bool endorsed = false;
  };
  struct Signed {
    uint64_t offset, leaves;
    int64_t time_ns;
    Ed25519Key by;
  };

  // It was signed, or written over: that is no crash's doing.
  void judge_unwritten() {
    broken_ = true;
    for (Finding& finding : std::exchange(unwritten_, {})) verdict_.findings.push_back(std::move(finding));
    for (const LedgerEntry& entry : std::exchange(after_unwritten_, {})) add(entry);
  }

  // Reports the first break of the tree; its consequences are not findings of their own.
  void broken(uint64_t offset, std::string what) {
    if (!broken_) wrong(offset, std::move(what));
    broken_ = true;
  }
  void wrong(uint64_t offset, std::string what) { verdict_.findings.push_back({path_, offset, std::move(what)}); }

  void add(const SegmentSealed& sealed, uint64_t offset) {
    const auto [at, is_new] = verdict_.listed.try_emplace(
        sealed.segment.uuid, ListedSegment{sealed.segment, tree_.size(), sealed.recovered, sealed.damage});
    if (!is_new || verdict_.evicted.contains(sealed.segment.uuid)) wrong(offset, "a segment is listed twice");
    recovered_ += sealed.recovered;
  }

  void add(const SegmentEvicted& evicted, uint64_t offset) {
    const auto at = verdict_.listed.find(evicted.segment.uuid);
    if (at != verdict_.listed.end() && at->second.facts != evicted.segment) {
      wrong(offset, "a tombstone does not describe the segment that was sealed");
    }
    verdict_.evicted.insert(evicted.segment.uuid);
  }

  void add(const RunStarted& started) {
    if (const std::string unsigned_leaves = fact(started.facts, "unsigned_leaves"); !unsigned_leaves.empty()) {
      verdict_.remarks.push_back(fmt::format(
          "entries {} of the ledger were written by a run that was killed, and signed only when the next began, {}",
          unsigned_leaves, format_time(started.started_ns)));
    }
    verdict_.open_run = started.run_uuid;
    verdict_.broken_runs.insert(started.run_uuid);
  }

  void add(const Pin& pin) {
    if (pin.pinned) {
      verdict_.pinned.insert_or_assign(pin.sequence, pin);
    } else {
      verdict_.pinned.erase(pin.sequence);
    }
  }

  void add(const RunEnded& ended) {
    if (ended.unsealed != 0) return;
    verdict_.broken_runs.erase(ended.run_uuid);
    if (verdict_.open_run == ended.run_uuid) verdict_.open_run.reset();
  }

  void add(const KeyIntroduced& key, uint64_t offset) {
    const bool first = key.previous == Ed25519Key{};
    const bool endorsed = !first && KeyEndorsement{key.key, key.previous, key.endorsement}.verified();
    if (!first && !endorsed) wrong(offset, "a key's endorsement by the key before it is false");
    keys_.push_back({key.key, key.previous, endorsed});
  }

  void add(const Checkpoint& checkpoint, uint64_t offset) {
    const auto note = SignedNote::parse(checkpoint.note);
    if (!note) return wrong(offset, fmt::format("a checkpoint is damaged: {}", note.error().message));
    const CheckpointText& text = note->checkpoint;
    if (text.origin != origin_) return wrong(offset, "a checkpoint is that of another store");
    if (text.tree_size != tree_.size() || text.root != tree_.root()) {
      return broken(offset,
                    fmt::format("the entries before this checkpoint are not those that it was made over{}", since()));
    }
    const Ed25519Key* key = signer(*note);
    if (key == nullptr)
      return wrong(offset, "a checkpoint's signature is false, or by a key that the ledger does not name");
    signed_.push_back({offset, text.tree_size, text.time_ns, *key});
  }

  std::string since() const {
    if (signed_.empty()) return "";
    return fmt::format(" (they were, up to the checkpoint at offset {})", signed_.back().offset);
  }

  // The key that signed it, among those that the ledger introduced so far; nullptr: none did.
  const Ed25519Key* signer(const SignedNote& note) const {
    for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
      const auto* signature = note.by(key->key);
      if (signature != nullptr && verify_signature(key->key, note.signed_text, signature->signature)) return &key->key;
    }
    return nullptr;
  }

  // The tree has reached a size that a checkpoint outside the machine knows.
  void check_outside() {
    if (checked_ == tree_.size() && tree_.size() != 0) return;
    checked_ = tree_.size();
    const auto [begin, end] = outside_.equal_range(tree_.size());
    for (auto at = begin; at != end; ++at) {
      const CheckpointText& text = at->second->checkpoint;
      if (text.origin == origin_ && text.root == tree_.root()) continue;
      broken(0, text.origin != origin_ ? fmt::format("the checkpoint of {} is that of another store ({})",
                                                     format_time(text.time_ns), text.origin)
                                       : fmt::format("its first {} entries are not those that were signed on {}",
                                                     text.tree_size, format_time(text.time_ns)));
    }
  }

  // Keys that the trusted one endorsed, directly or not; and those that led to it, whose signatures prove nothing by
  // themselves but are right to be there.
  void check_signatures() {
    std::set<Ed25519Key> trusted, earlier;
    for (const Key& key : keys_) {
      if (key_fingerprint(key.key) == fingerprint_ || (key.endorsed && trusted.contains(key.previous))) {
        trusted.insert(key.key);
      }
    }
    for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
      const bool leads_on = trusted.contains(key->key) || earlier.contains(key->key);
      if (leads_on && key->endorsed && !trusted.contains(key->previous)) earlier.insert(key->previous);
    }
    if (trusted.empty()) {
      const std::string signer = keys_.empty() ? "" : fmt::format("; its key is {}", key_fingerprint(keys_.back().key));
      return wrong(0, fmt::format("the ledger is not signed by the key {}{}", fingerprint_, signer));
    }
    for (const Signed& checkpoint : signed_) {
      if (trusted.contains(checkpoint.by)) {
        verdict_.signed_leaves = checkpoint.leaves;
        verdict_.signed_ns = checkpoint.time_ns;
      } else if (!earlier.contains(checkpoint.by)) {
        wrong(checkpoint.offset, fmt::format("a checkpoint is signed by another key, {}", short_name(checkpoint.by)));
        break;
      }
    }
    for (const auto& entry : outside_) {
      const auto& note = entry.second;
      const bool right = std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) {
        const auto* signature = note->by(key.key);
        return signature != nullptr && (trusted.contains(key.key) || earlier.contains(key.key)) &&
               verify_signature(key.key, note->signed_text, signature->signature);
      });
      if (right) continue;
      wrong(0, fmt::format("the checkpoint of {} is not signed by this key", format_time(note->checkpoint.time_ns)));
      break;
    }
  }

  const std::string path_, origin_, fingerprint_;
  std::multimap<uint64_t, const SignedNote*> outside_;
  uint64_t checked_ = 0;
  bool broken_ = false;
  LedgerVerdict verdict_;
  std::vector<Finding> unwritten_;  // with what follows it
  std::vector<LedgerEntry> after_unwritten_;
  MerkleTree tree_;
  std::vector<Key> keys_;
  std::vector<Signed> signed_;
  uint64_t recovered_ = 0;
};

constexpr std::string_view kDash = "— ";
constexpr size_t kCheckpointFileBytesMax = 256 << 20;

Result<std::string> read_text(FileSystem& files, const std::string& path) {
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  const auto status = (*file)->status();
  if (!status) return tl::unexpected(status.error());
  if (status->bytes > kCheckpointFileBytesMax)
    return fail("{}: {} bytes of checkpoints are too many", path, status->bytes);
  std::vector<uint8_t> bytes(status->bytes);
  const auto got = (*file)->read_at(0, bytes);
  if (!got) return tl::unexpected(got.error());
  return std::string(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(*got));
}

// Takes a note, or a line with one in it, from the front of `text`; empty when only empty lines or part of a note are
// left.
std::string take_note(std::string_view& text) {
  std::string note;
  bool signatures = false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    if (signatures && !line.starts_with(kDash)) return note;
    text.remove_prefix(end + 1);
    if (const size_t word = line.find(kNoteWord); word != std::string_view::npos) {
      const std::string_view rest = line.substr(word + kNoteWord.size());
      const auto bytes = from_base64(rest.substr(0, rest.find_first_of(" \r\t\"")));
      return bytes ? std::string(bytes->begin(), bytes->end()) : std::string(line);
    }
    if (line.starts_with(kDash)) signatures = true;
    if (note.empty() && line.empty()) continue;
    note.append(line).push_back('\n');
  }
  text = {};
  return signatures ? note : "";
}

}  // namespace

Result<std::vector<SignedNote>> read_checkpoint_file(FileSystem& files, const std::string& path) {
  const auto text = read_text(files, path);
  if (!text) return tl::unexpected(text.error());
  std::vector<SignedNote> notes;
  std::string_view rest = *text;
  for (std::string note = take_note(rest); !note.empty(); note = take_note(rest)) {
    auto parsed = SignedNote::parse(note);
    if (!parsed) return fail("{}: checkpoint {}: {}", path, notes.size() + 1, parsed.error().message);
    notes.push_back(std::move(*parsed));
  }
  if (notes.empty()) return fail("{}: holds no checkpoint", path);
  return notes;
}

Result<LedgerVerdict> verify_ledger(FileSystem& files, const std::string& path, const std::string& fingerprint,
                                    const std::vector<SignedNote>& outside) {
  auto reader = LedgerReader::open(files, path);
  if (!reader) return pass_on(reader);
  Verification verification(path, reader->header(), fingerprint, outside);
  LedgerEntry entry;
  for (;;) {
    const auto next = reader->next(entry);
    switch (next) {
      case LedgerReader::Next::kEntry:
        verification.take(entry);
        break;
      case LedgerReader::Next::kDamaged:
        verification.damaged(reader->offset(), reader->problem(), reader->maybe_unwritten());
        break;
      case LedgerReader::Next::kUnreadable:
        return fail("{}: offset {}: {}", path, reader->offset(), reader->problem());
      case LedgerReader::Next::kEnd:
      case LedgerReader::Next::kTorn:
        return verification.finish(reader->offset(), next == LedgerReader::Next::kTorn);
    }
  }
}

}  // namespace gatetape
