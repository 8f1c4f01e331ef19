// A ledger's entries and their bytes (storage/FORMAT.md, ledger): which segments were sealed and with which
// root, which were evicted and why, when runs began and ended, who took what out, and the signed checkpoints over all
// that. Pure functions over bytes; what parses trusts no length.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "storage/format/format.h"

namespace gatetape {

// Longer texts are cut here by the writer, which marks it with "…" at their end.
inline constexpr size_t kLedgerTextBytesMax = 8192;
inline constexpr size_t kLedgerFactsMax = 32;
inline constexpr size_t kLedgerBodyBytesMax = 1 << 20;

// Names and values, for what may grow: "build", "host", "rules" …
using LedgerFacts = std::vector<std::pair<std::string, std::string>>;
// The value of that name; empty when there is none.
std::string fact(const LedgerFacts& facts, std::string_view name);

// A segment as its seal found it.
struct SegmentFacts {
  SegmentKind kind = SegmentKind::kPackets;
  RetentionClass retention = RetentionClass::kFull;
  uint16_t worker = 0;
  uint64_t sequence = 0;
  Uuid uuid{}, run_uuid{};
  int64_t run_started_ns = 0;
  uint64_t file_bytes = 0;  // index and trailer included
  uint32_t frames = 0;
  uint64_t packets = 0;  // records, in a record segment
  uint64_t captured_bytes = 0;
  uint64_t added = 0, dropped = 0;  // the account of its stream, as its last frame has it
  int64_t time_min_ns = 0, time_max_ns = 0;
  uint64_t torn_bytes = 0;
  Sha256Digest root{};
  std::string directory;  // where it stood then; a copy of the store stands elsewhere

  bool operator==(const SegmentFacts&) const = default;
};

// The name of its file.
std::string file_name_of(const SegmentFacts& facts);

// Parts of a segment that a crash had damaged when it was found, before anything of it was signed. Nobody vouches for
// what they held; that they are still as they were found, the digest tells.
struct SegmentDamage {
  std::vector<uint32_t> frames;  // their places in the frame table, rising; at most kFramesMax
  bool index = false;            // all that stands behind the frames, too
  Sha256Digest digest{};         // over the bytes of all that, in this order: D = H(D before, at first zeros || bytes)

  static constexpr size_t kFramesMax = 1 << 14;
  bool any() const { return index || !frames.empty(); }
  bool operator==(const SegmentDamage&) const = default;
};

struct SegmentSealed {
  SegmentFacts segment;
  int64_t sealed_ns = 0;
  // Sealed by a later run, because the one that wrote it was killed: what it says was signed only afterwards.
  bool recovered = false;
  SegmentDamage damage = {};  // only of one that was recovered
  bool operator==(const SegmentSealed&) const = default;
};

enum class EvictionReason : uint8_t { kOther = 0, kRingFull = 1, kDiskFull = 2, kByHand = 3, kExpired = 4 };
std::string_view to_string(EvictionReason reason);

// A tombstone: written before the segment's file is removed, so one whose file is still there proves nothing gone.
struct SegmentEvicted {
  SegmentFacts segment;
  int64_t evicted_ns = 0;
  EvictionReason reason = EvictionReason::kOther;
  std::string detail;
  bool operator==(const SegmentEvicted&) const = default;
};

struct RunStarted {
  Uuid run_uuid{};
  int64_t started_ns = 0;
  LedgerFacts facts;  // "build", "host", "operator", "sources", "rules", "configuration": what is known
  bool operator==(const RunStarted&) const = default;
};

// The mark of a clean end. A run without one was killed, or goes on.
struct RunEnded {
  Uuid run_uuid{};
  int64_t ended_ns = 0;
  uint32_t unsealed = 0;  // segments that could not be sealed and so are in no leaf
  LedgerFacts facts;
  bool operator==(const RunEnded&) const = default;
};

// Packets were taken out of the store.
struct Custody {
  int64_t at_ns = 0;
  uint64_t packets = 0, bytes = 0;
  std::string who, query;
  LedgerFacts facts;  // "host", "output", "sha256", "completeness" …
  bool operator==(const Custody&) const = default;
};

struct Pin {
  int64_t at_ns = 0;
  bool pinned = true;  // false: unpinned
  uint64_t sequence = 0;
  Uuid segment_uuid{};
  std::string who, reason;
  bool operator==(const Pin&) const = default;
};

// From here on checkpoints are signed with this key. `previous`: the key before it, which signed the new one
// (signing_key.h); zeros for a ledger's first.
struct KeyIntroduced {
  int64_t at_ns = 0;
  std::array<uint8_t, 32> key{}, previous{};
  std::array<uint8_t, 64> endorsement{};
  bool operator==(const KeyIntroduced&) const = default;
};

// A signed note over the tree of all leaves before it.
struct Checkpoint {
  std::string note;
  bool operator==(const Checkpoint&) const = default;
};

// std::monostate: of a type that this version does not know and that may be skipped.
using LedgerContent = std::variant<std::monostate, SegmentSealed, SegmentEvicted, RunStarted, RunEnded, Custody, Pin,
                                   KeyIntroduced, Checkpoint>;

// The numbers in the file; those of LedgerContent's alternatives. 0 is not used.
enum class LedgerType : uint16_t {
  kSegmentSealed = 1,
  kSegmentEvicted = 2,
  kRunStarted = 3,
  kRunEnded = 4,
  kCustody = 5,
  kPin = 6,
  kKeyIntroduced = 7,
  kCheckpoint = 8,
};
LedgerType type_of(const LedgerContent& content);
std::string_view to_string(LedgerType type);

std::vector<uint8_t> serialise(const LedgerContent& content);
// False: impossible values. Bytes after the last known field are let pass: a minor version may add some.
bool parse(LedgerType type, std::span<const uint8_t> body, LedgerContent& content);

struct LedgerHeader {
  Uuid store_uuid{};
  int64_t created_ns = 0;

  static constexpr size_t kBytes = 48;
  std::array<uint8_t, kBytes> serialise() const;
  static Result<LedgerHeader> parse(std::span<const uint8_t> bytes);
};

// The fixed part before an entry's body. Its check and the entry's checksum depend on the store and on the entry's
// offset, so that an entry that was moved, or taken from another store, is damaged where it stands.
struct LedgerEntryHeader {
  static constexpr uint16_t kRequired = 1;  // a reader that does not know the type must not go on as if it did
  static constexpr uint16_t kLeaf = 2;      // its hash is a leaf of the tree

  LedgerType type{};
  uint16_t flags = 0;
  uint32_t body_bytes = 0;
  uint64_t leaves = 0;  // in the tree before this entry; of a leaf: its number

  static constexpr size_t kBytes = 24, kCheckBytes = 4, kChecksumBytes = 8;
  static constexpr char kMagic[5] = "GTLE";
  bool is_leaf() const { return flags & kLeaf; }
  uint64_t entry_bytes() const { return kBytes + uint64_t{body_bytes} + kChecksumBytes; }
  std::array<uint8_t, kBytes> serialise(uint64_t seed) const;
  // `bytes`: kBytes of them. False: not an entry's header at this place.
  static bool parse(std::span<const uint8_t> bytes, uint64_t seed, LedgerEntryHeader& header);
};
// The seed of both checks.
uint64_t ledger_seed(const Uuid& store_uuid, uint64_t offset);
uint64_t ledger_checksum(std::span<const uint8_t> header_and_body, uint64_t seed);
// Returns the leaf hash of an entry's header and body: H(0x00 || type, flags, body bytes, leaves || body).
Sha256Digest ledger_leaf(std::span<const uint8_t> header_and_body);

}  // namespace gatetape
