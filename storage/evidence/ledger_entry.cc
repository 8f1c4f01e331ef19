#include "storage/evidence/ledger_entry.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "common/check.h"
#include "storage/evidence/merkle_tree.h"
#include "storage/format/byte_order.h"

namespace gatetape {
namespace {

constexpr char kMagic[9] = "GTLEDGER";
constexpr uint16_t kMajor = 1, kMinor = 0;
constexpr uint8_t kRecoveredFlag = 1, kDamagedFlag = 2;
constexpr uint8_t kReasonLast = static_cast<uint8_t>(EvictionReason::kExpired);

void put(ByteSink& out, const std::string& text) {
  static constexpr std::string_view kCut = "…";
  const bool fits = text.size() <= kLedgerTextBytesMax;
  const size_t size = fits ? text.size() : kLedgerTextBytesMax;
  out.put(static_cast<uint16_t>(size));
  out.bytes(text.data(), fits ? size : size - kCut.size());
  if (!fits) out.bytes(kCut.data(), kCut.size());
}

std::string get_text(ByteSource& in) {
  const auto bytes = in.view(in.get<uint16_t>());
  return {bytes.begin(), bytes.end()};
}

void put(ByteSink& out, const LedgerFacts& facts) {
  GT_CHECK(facts.size() <= kLedgerFactsMax);
  out.put(static_cast<uint16_t>(facts.size()));
  for (const auto& [name, value] : facts) {
    put(out, name);
    put(out, value);
  }
}

LedgerFacts get_facts(ByteSource& in) {
  LedgerFacts facts;
  const auto count = in.get<uint16_t>();
  for (unsigned i = 0; i < count && in.ok(); i++) {
    std::string name = get_text(in);
    facts.emplace_back(std::move(name), get_text(in));
  }
  return facts;
}

void put(ByteSink& out, const SegmentFacts& s) {
  out.put(s.kind);
  out.put(s.retention);
  out.put(s.worker);
  out.put(s.frames);
  out.put(s.sequence);
  out.bytes(s.uuid);
  out.bytes(s.run_uuid);
  out.put(s.run_started_ns);
  out.put(s.file_bytes);
  out.put(s.packets);
  out.put(s.captured_bytes);
  out.put(s.added);
  out.put(s.dropped);
  out.put(s.time_min_ns);
  out.put(s.time_max_ns);
  out.put(s.torn_bytes);
  out.bytes(s.root);
  put(out, s.directory);
}

bool get(ByteSource& in, SegmentFacts& s) {
  s.kind = in.get<SegmentKind>();
  s.retention = in.get<RetentionClass>();
  s.worker = in.get<uint16_t>();
  s.frames = in.get<uint32_t>();
  s.sequence = in.get<uint64_t>();
  in.bytes(s.uuid.data(), s.uuid.size());
  in.bytes(s.run_uuid.data(), s.run_uuid.size());
  s.run_started_ns = in.get<int64_t>();
  s.file_bytes = in.get<uint64_t>();
  s.packets = in.get<uint64_t>();
  s.captured_bytes = in.get<uint64_t>();
  s.added = in.get<uint64_t>();
  s.dropped = in.get<uint64_t>();
  s.time_min_ns = in.get<int64_t>();
  s.time_max_ns = in.get<int64_t>();
  s.torn_bytes = in.get<uint64_t>();
  in.bytes(s.root.data(), s.root.size());
  s.directory = get_text(in);
  const bool kind_known = s.kind == SegmentKind::kPackets || s.kind == SegmentKind::kRecords;
  return in.ok() && kind_known && static_cast<int>(s.retention) < kRetentionClassCount;
}

void put(ByteSink&, const std::monostate&) {
  GT_CHECK(!"an entry has content");
}
void put(ByteSink& out, const SegmentDamage& damage) {
  GT_CHECK(damage.frames.size() <= SegmentDamage::kFramesMax);
  out.put(uint8_t{damage.index});
  out.put(static_cast<uint32_t>(damage.frames.size()));
  for (const uint32_t frame : damage.frames) out.put(frame);
  out.bytes(damage.digest.data(), damage.digest.size());
}
void put(ByteSink& out, const SegmentSealed& entry) {
  put(out, entry.segment);
  out.put(entry.sealed_ns);
  const int flags = (entry.recovered ? kRecoveredFlag : 0) | (entry.damage.any() ? kDamagedFlag : 0);
  out.put(static_cast<uint8_t>(flags));
  if (entry.damage.any()) put(out, entry.damage);
}
void put(ByteSink& out, const SegmentEvicted& entry) {
  put(out, entry.segment);
  out.put(entry.evicted_ns);
  out.put(entry.reason);
  put(out, entry.detail);
}
void put(ByteSink& out, const RunStarted& entry) {
  out.bytes(entry.run_uuid);
  out.put(entry.started_ns);
  put(out, entry.facts);
}
void put(ByteSink& out, const RunEnded& entry) {
  out.bytes(entry.run_uuid);
  out.put(entry.ended_ns);
  out.put(entry.unsealed);
  put(out, entry.facts);
}
void put(ByteSink& out, const Custody& entry) {
  out.put(entry.at_ns);
  out.put(entry.packets);
  out.put(entry.bytes);
  put(out, entry.who);
  put(out, entry.query);
  put(out, entry.facts);
}
void put(ByteSink& out, const Pin& entry) {
  out.put(entry.at_ns);
  out.put(uint8_t{entry.pinned});
  out.put(entry.sequence);
  out.bytes(entry.segment_uuid);
  put(out, entry.who);
  put(out, entry.reason);
}
void put(ByteSink& out, const KeyIntroduced& entry) {
  out.put(entry.at_ns);
  out.bytes(entry.key);
  out.bytes(entry.previous);
  out.bytes(entry.endorsement);
}
void put(ByteSink& out, const Checkpoint& entry) {
  put(out, entry.note);
}

bool get(ByteSource& in, SegmentDamage& damage) {
  damage.index = in.get<uint8_t>() != 0;
  const auto count = in.get<uint32_t>();
  if (!in.ok() || count > SegmentDamage::kFramesMax) return false;
  for (uint32_t i = 0; i < count; i++) damage.frames.push_back(in.get<uint32_t>());
  in.bytes(damage.digest.data(), damage.digest.size());
  return in.ok() && std::ranges::is_sorted(damage.frames, std::ranges::less_equal());
}
bool get(ByteSource& in, SegmentSealed& entry) {
  if (!get(in, entry.segment)) return false;
  entry.sealed_ns = in.get<int64_t>();
  const auto flags = in.get<uint8_t>();
  entry.recovered = flags & kRecoveredFlag;
  if (flags & kDamagedFlag) return get(in, entry.damage);
  return in.ok();
}
bool get(ByteSource& in, SegmentEvicted& entry) {
  if (!get(in, entry.segment)) return false;
  entry.evicted_ns = in.get<int64_t>();
  const auto reason = in.get<uint8_t>();
  entry.reason = reason <= kReasonLast ? static_cast<EvictionReason>(reason) : EvictionReason::kOther;
  entry.detail = get_text(in);
  return in.ok();
}
bool get(ByteSource& in, RunStarted& entry) {
  in.bytes(entry.run_uuid.data(), entry.run_uuid.size());
  entry.started_ns = in.get<int64_t>();
  entry.facts = get_facts(in);
  return in.ok();
}
bool get(ByteSource& in, RunEnded& entry) {
  in.bytes(entry.run_uuid.data(), entry.run_uuid.size());
  entry.ended_ns = in.get<int64_t>();
  entry.unsealed = in.get<uint32_t>();
  entry.facts = get_facts(in);
  return in.ok();
}
bool get(ByteSource& in, Custody& entry) {
  entry.at_ns = in.get<int64_t>();
  entry.packets = in.get<uint64_t>();
  entry.bytes = in.get<uint64_t>();
  entry.who = get_text(in);
  entry.query = get_text(in);
  entry.facts = get_facts(in);
  return in.ok();
}
bool get(ByteSource& in, Pin& entry) {
  entry.at_ns = in.get<int64_t>();
  entry.pinned = in.get<uint8_t>() != 0;
  entry.sequence = in.get<uint64_t>();
  in.bytes(entry.segment_uuid.data(), entry.segment_uuid.size());
  entry.who = get_text(in);
  entry.reason = get_text(in);
  return in.ok();
}
bool get(ByteSource& in, KeyIntroduced& entry) {
  entry.at_ns = in.get<int64_t>();
  in.bytes(entry.key.data(), entry.key.size());
  in.bytes(entry.previous.data(), entry.previous.size());
  in.bytes(entry.endorsement.data(), entry.endorsement.size());
  return in.ok();
}
bool get(ByteSource& in, Checkpoint& entry) {
  entry.note = get_text(in);
  return in.ok();
}

template <class Entry>
bool get_as(ByteSource& in, LedgerContent& content) {
  return get(in, content.emplace<Entry>());
}

uint32_t header_check(std::span<const uint8_t> header, uint64_t seed) {
  return static_cast<uint32_t>(
      ledger_checksum(header.first(LedgerEntryHeader::kBytes - LedgerEntryHeader::kCheckBytes), seed));
}

}  // namespace

std::string file_name_of(const SegmentFacts& facts) {
  SegmentHeader header;
  header.kind = facts.kind;
  header.retention = facts.retention;
  header.worker = facts.worker;
  header.sequence = facts.sequence;
  return segment_file_name(header);
}

std::string fact(const LedgerFacts& facts, std::string_view name) {
  for (const auto& [known, value] : facts) {
    if (known == name) return value;
  }
  return {};
}

std::string_view to_string(EvictionReason reason) {
  switch (reason) {
    case EvictionReason::kRingFull:
      return "ring full";
    case EvictionReason::kDiskFull:
      return "disk full";
    case EvictionReason::kByHand:
      return "by hand";
    case EvictionReason::kExpired:
      return "expired";
    case EvictionReason::kOther:
      break;
  }
  return "other";
}

LedgerType type_of(const LedgerContent& content) {
  return static_cast<LedgerType>(content.index());
}

std::string_view to_string(LedgerType type) {
  switch (type) {
    case LedgerType::kSegmentSealed:
      return "segment sealed";
    case LedgerType::kSegmentEvicted:
      return "segment evicted";
    case LedgerType::kRunStarted:
      return "run started";
    case LedgerType::kRunEnded:
      return "run ended";
    case LedgerType::kCustody:
      return "custody";
    case LedgerType::kPin:
      return "pin";
    case LedgerType::kKeyIntroduced:
      return "key";
    case LedgerType::kCheckpoint:
      return "checkpoint";
  }
  return "unknown";
}

std::vector<uint8_t> serialise(const LedgerContent& content) {
  ByteSink out;
  std::visit([&](const auto& entry) { put(out, entry); }, content);
  return {out.data(), out.data() + out.size()};
}

bool parse(LedgerType type, std::span<const uint8_t> body, LedgerContent& content) {
  ByteSource in(body);
  switch (type) {
    case LedgerType::kSegmentSealed:
      return get_as<SegmentSealed>(in, content);
    case LedgerType::kSegmentEvicted:
      return get_as<SegmentEvicted>(in, content);
    case LedgerType::kRunStarted:
      return get_as<RunStarted>(in, content);
    case LedgerType::kRunEnded:
      return get_as<RunEnded>(in, content);
    case LedgerType::kCustody:
      return get_as<Custody>(in, content);
    case LedgerType::kPin:
      return get_as<Pin>(in, content);
    case LedgerType::kKeyIntroduced:
      return get_as<KeyIntroduced>(in, content);
    case LedgerType::kCheckpoint:
      return get_as<Checkpoint>(in, content);
  }
  content = std::monostate();
  return true;
}

std::array<uint8_t, LedgerHeader::kBytes> LedgerHeader::serialise() const {
  ByteSink out;
  out.bytes(kMagic, 8);
  out.put(kMajor);
  out.put(kMinor);
  out.put(static_cast<uint32_t>(kBytes));
  out.bytes(store_uuid);
  out.put(created_ns);
  out.put(checksum(out.bytes()));
  GT_CHECK(out.size() == kBytes);
  std::array<uint8_t, kBytes> bytes;
  std::memcpy(bytes.data(), out.data(), kBytes);
  return bytes;
}

Result<LedgerHeader> LedgerHeader::parse(std::span<const uint8_t> bytes) {
  if (bytes.size() < kBytes || std::memcmp(bytes.data(), kMagic, 8) != 0) return fail("not a ledger");
  ByteSource in(bytes.first(kBytes));
  in.view(8);
  const auto major = in.get<uint16_t>();
  const auto minor = in.get<uint16_t>();
  const auto size = in.get<uint32_t>();
  LedgerHeader header;
  in.bytes(header.store_uuid.data(), header.store_uuid.size());
  header.created_ns = in.get<int64_t>();
  if (in.get<uint64_t>() != checksum(bytes.first(kBytes - 8))) return fail("damaged ledger header");
  if (major != kMajor || size != kBytes) return fail("ledger {}.{}: written by another version", major, minor);
  return header;
}

std::array<uint8_t, LedgerEntryHeader::kBytes> LedgerEntryHeader::serialise(uint64_t seed) const {
  ByteSink out;
  out.bytes(kMagic, 4);
  out.put(type);
  out.put(flags);
  out.put(body_bytes);
  out.put(leaves);
  out.put(uint32_t{0});
  GT_CHECK(out.size() == kBytes);
  std::array<uint8_t, kBytes> bytes;
  std::memcpy(bytes.data(), out.data(), kBytes);
  const uint32_t check = header_check(bytes, seed);
  std::memcpy(bytes.data() + kBytes - sizeof check, &check, sizeof check);
  return bytes;
}

bool LedgerEntryHeader::parse(std::span<const uint8_t> bytes, uint64_t seed, LedgerEntryHeader& header) {
  if (bytes.size() < kBytes || std::memcmp(bytes.data(), kMagic, 4) != 0) return false;
  ByteSource in(bytes.subspan(4, kBytes - 4));
  header.type = in.get<LedgerType>();
  header.flags = in.get<uint16_t>();
  header.body_bytes = in.get<uint32_t>();
  header.leaves = in.get<uint64_t>();
  return in.get<uint32_t>() == header_check(bytes, seed) && header.body_bytes <= kLedgerBodyBytesMax;
}

uint64_t ledger_seed(const Uuid& store_uuid, uint64_t offset) {
  return segment_id(store_uuid) + offset;
}

uint64_t ledger_checksum(std::span<const uint8_t> bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Sha256Digest ledger_leaf(std::span<const uint8_t> header_and_body) {
  constexpr size_t kMagicBytes = 4, kCheckBytes = LedgerEntryHeader::kCheckBytes;
  ByteSink leaf;
  leaf.bytes(header_and_body.subspan(kMagicBytes, LedgerEntryHeader::kBytes - kMagicBytes - kCheckBytes));
  leaf.bytes(header_and_body.subspan(LedgerEntryHeader::kBytes));
  return merkle_leaf(leaf.bytes());
}

}  // namespace gatetape
