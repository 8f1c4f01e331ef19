#include "storage/evidence/bundle_prover.h"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <optional>

#include "storage/evidence/frame_hasher.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/merkle_tree.h"
#include "storage/read/literal_cache.h"
#include "storage/read/segment_directory.h"
#include "storage/read/segment_reader.h"

namespace gatetape {
namespace {

constexpr size_t kLiteralBytes = 256 << 20;

struct ListedEntry {
  LedgerEntryHeader header;
  SegmentSealed sealed;
};

// A ledger's leaves, up to the newest checkpoint that is rightly signed over them.
class SignedLedger {
 public:
  void add(const LedgerEntry& entry, const std::string& origin) {
    if (const auto* key = std::get_if<KeyIntroduced>(&entry.content)) add(*key);
    if (const auto* sealed = std::get_if<SegmentSealed>(&entry.content)) {
      sealed_.try_emplace(sealed->segment.uuid, ListedEntry{entry.header, *sealed});
    }
    if (const auto* run = std::get_if<RunStarted>(&entry.content)) key_path_ = fact(run->facts, "signing_key");
    if (const auto* checkpoint = std::get_if<Checkpoint>(&entry.content)) add(*checkpoint, origin);
    if (!entry.header.is_leaf()) return;
    leaves_.push_back(entry.leaf);
    tree_.add(entry.leaf);
  }

  // False: it holds no checkpoint that proves anything.
  bool give(PacketEvidence& evidence) const {
    if (!note_) return false;
    evidence.checkpoint = note_->checkpoint;
    evidence.note = text_;
    evidence.signer = signer_;
    evidence.key_path = key_path_;
    Ed25519Key key = signer_;
    for (auto e = endorsements_.rbegin(); e != endorsements_.rend(); ++e) {
      if (e->key != key) continue;
      evidence.endorsements.insert(evidence.endorsements.begin(), *e);
      key = e->previous;
    }
    return true;
  }
  const ListedEntry* find(const Uuid& segment) const {
    const auto at = sealed_.find(segment);
    return at == sealed_.end() ? nullptr : &at->second;
  }
  std::span<const Sha256Digest> signed_leaves() const {
    return std::span(leaves_).first(note_ ? note_->checkpoint.tree_size : 0);
  }

 private:
  void add(const KeyIntroduced& introduced) {
    keys_.push_back(introduced.key);
    const KeyEndorsement endorsement{introduced.key, introduced.previous, introduced.endorsement};
    if (introduced.previous != Ed25519Key{} && endorsement.verified()) endorsements_.push_back(endorsement);
  }

  void add(const Checkpoint& checkpoint, const std::string& origin) {
    auto note = SignedNote::parse(checkpoint.note);
    if (!note || note->checkpoint.origin != origin || note->checkpoint.tree_size != tree_.size() ||
        note->checkpoint.root != tree_.root()) {
      return;
    }
    for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
      const auto* signature = note->by(*key);
      if (signature == nullptr || !verify_signature(*key, note->signed_text, signature->signature)) continue;
      signer_ = *key;
      text_ = checkpoint.note;
      note_ = std::move(*note);
      return;
    }
  }

  std::vector<Sha256Digest> leaves_;
  MerkleTree tree_;
  std::map<Uuid, ListedEntry> sealed_;
  std::vector<Ed25519Key> keys_;
  std::vector<KeyEndorsement> endorsements_;
  std::optional<SignedNote> note_;
  std::string text_, key_path_;
  Ed25519Key signer_{};
};

Result<std::map<Uuid, std::string>> segment_paths(FileSystem& files, const std::vector<std::string>& directories) {
  const auto segments = list_segments(files, directories);
  if (!segments) return tl::unexpected(segments.error());
  std::map<Uuid, std::string> paths;
  for (const SegmentPath& segment : *segments) {
    if (segment.kind != SegmentKind::kPackets) continue;
    auto opened = SegmentReader::open(files, segment.path, [](const std::string&, uint64_t, const char*) {});
    if (opened) paths.try_emplace((*opened)->header().uuid, segment.path);
  }
  return paths;
}

Result<std::vector<uint8_t>> segment_header_bytes(FileSystem& files, const std::string& path) {
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  std::vector<uint8_t> bytes(kHeaderBytesMax);
  const auto got = (*file)->read_at(0, bytes);
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  size_t size = 0;
  const auto header = SegmentHeader::parse(bytes, size);
  if (!header) return fail("{}: {}", path, header.error().message);
  bytes.resize(size);
  return bytes;
}

class Prover {
 public:
  Prover(FileSystem& files, const SignedLedger& ledger, std::map<Uuid, std::string> paths,
         const PacketSelection& selection, BundleProofs& proofs)
      : files_(files), ledger_(ledger), paths_(std::move(paths)), selection_(selection), proofs_(proofs) {}

  Result<void> run(const std::function<bool()>& stop) {
    const auto& places = selection_.places();
    proofs_.packets.assign(places.size(), {});
    std::vector<uint32_t> order(places.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order, {},
                      [&](uint32_t i) { return std::tuple(places[i].segment, places[i].frame, places[i].row, i); });
    for (auto begin = order.begin(); begin != order.end();) {
      const uint32_t segment = places[*begin].segment;
      const auto end = std::find_if(begin, order.end(), [&](uint32_t i) { return places[i].segment != segment; });
      prove_segment(segment, {begin, end}, stop);
      if (stop()) return fail("interrupted: nothing was kept");
      begin = end;
    }
    sort_segments();
    return {};
  }

 private:
  using Numbers = std::span<const uint32_t>;  // packets of the bundle

  void unproven(Numbers packets, std::string why) {
    const auto known = std::ranges::find(proofs_.reasons, why);
    const auto reason = static_cast<uint32_t>(known - proofs_.reasons.begin());
    if (known == proofs_.reasons.end()) proofs_.reasons.push_back(std::move(why));
    for (const uint32_t i : packets) {
      proofs_.packets[i] = {};
      proofs_.packets[i].segment = BundleProofs::Packet::kUnproven;
      proofs_.packets[i].frame = reason;
    }
  }

  void prove_segment(uint32_t number, Numbers packets, const std::function<bool()>& stop) {
    const Uuid& uuid = selection_.segments()[number];
    const auto path = paths_.find(uuid);
    if (path == paths_.end()) return unproven(packets, "their segment was evicted while they were extracted");
    const std::string name(file_name(path->second));
    damage_.clear();
    const auto opened = SegmentReader::open(files_, path->second,
                                            [this](const std::string&, uint64_t, const char* what) { damage_ = what; });
    if (!opened) return unproven(packets, opened.error().message);
    SegmentReader& segment = **opened;
    const ListedEntry* listed = ledger_.find(uuid);
    if (listed == nullptr && !segment.sealed()) return unproven(packets, name + " is not sealed yet");
    if (listed == nullptr) return unproven(packets, name + " is not in the ledger");
    if (listed->header.leaves >= ledger_.signed_leaves().size()) return unproven(packets, name + " is not signed yet");
    const auto header = segment_header_bytes(files_, path->second);
    if (!header) return unproven(packets, header.error().message);

    std::vector<Sha256Digest> roots;
    for (const FrameEntry& frame : segment.frames()) roots.push_back(frame.root);
    if (tree_.segment_root(*header, roots) != listed->sealed.segment.root) {
      return unproven(packets, name + " is not what was sealed: verify the store");
    }
    BundleProofs::Segment proof{listed->header, listed->sealed, *header, {}, {}};
    if (proof.leaf() != ledger_.signed_leaves()[listed->header.leaves]) {
      return unproven(packets, name + ": its entry in the ledger was written by a newer version");
    }
    prove_frames(segment, packets, name, proof, stop);
    if (proof.frames.empty()) return;
    std::vector<uint64_t> numbers;
    for (const BundleProofs::Frame& frame : proof.frames) numbers.push_back(frame.seal.number);
    proof.proof = merkle_proof(roots, numbers);
    proofs_.segments.push_back(std::move(proof));
  }

  void prove_frames(SegmentReader& segment, Numbers packets, const std::string& name, BundleProofs::Segment& proof,
                    const std::function<bool()>& stop) {
    const auto& places = selection_.places();
    LiteralCache cache(kLiteralBytes);
    CachedLiterals cached(segment, cache);
    RememberedLiterals literals(cached);
    hasher_.begin_segment();
    for (auto begin = packets.begin(); begin != packets.end() && !stop();) {
      const uint32_t frame = places[*begin].frame;
      const auto end = std::find_if(begin, packets.end(), [&](uint32_t i) { return places[i].frame != frame; });
      literals.clear();
      BundleProofs::Frame made;
      if (prove_frame(segment, frame, {begin, end}, literals, made)) {
        proof.frames.push_back(std::move(made));
      } else {
        unproven({begin, end}, fmt::format("{}: frame {} is not what was sealed{}{}: verify the store", name, frame,
                                           damage_.empty() ? "" : ": ", damage_));
      }
      begin = end;
    }
  }

  bool prove_frame(SegmentReader& segment, uint32_t number, Numbers packets, RememberedLiterals& literals,
                   BundleProofs::Frame& made) {
    FrameHeader header;
    if (number >= segment.frames().size() || !segment.read_frame(number, 0, header, sections_) ||
        !segment.read_frame(number, FrameReader::bytes_before_literals(header), header, sections_) ||
        !reader_.read_lanes(header, sections_)) {
      return false;
    }
    wanted_.assign(reader_.lanes().size(), true);
    std::span<const uint8_t> lanes;
    if (!reader_.read_packets(header, sections_) || !reader_.read_payload(header, sections_, wanted_, literals) ||
        !reader_.section(header, sections_, SectionType::kLanes, raw_, lanes)) {
      return false;
    }
    const Sha256Digest root = hasher_.frame_root(segment.header().uuid, header, lanes, reader_, literals.pieces());
    if (root != segment.frames()[number].root || header.number != number) return false;
    const std::span<const Sha256Digest> leaves = hasher_.leaves();
    std::vector<uint64_t> rows;
    for (const uint32_t i : packets) {
      const uint32_t row = selection_.places()[i].row;
      if (row >= leaves.size()) return false;
      const PacketRow& packet = reader_.rows()[row];
      rows.push_back(row);
      proofs_.packets[i] = {static_cast<uint32_t>(proofs_.segments.size()),
                            number,
                            row,
                            reader_.lanes()[packet.lane].interface_id,
                            packet.layout.length,
                            packet.ordinal,
                            leaves[row]};
    }
    made.seal = {number, header.account_added, header.account_dropped, sha256(lanes),
                 static_cast<uint32_t>(leaves.size())};
    made.proof = merkle_proof(leaves, rows);
    return true;
  }

  // As the ledger has them.
  void sort_segments() {
    std::vector<uint32_t> order(proofs_.segments.size()), place(order.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order, {}, [&](uint32_t i) { return proofs_.segments[i].entry.leaves; });
    std::vector<BundleProofs::Segment> sorted;
    std::vector<uint64_t> numbers;
    for (const uint32_t i : order) {
      place[i] = static_cast<uint32_t>(sorted.size());
      numbers.push_back(proofs_.segments[i].entry.leaves);
      sorted.push_back(std::move(proofs_.segments[i]));
    }
    proofs_.segments = std::move(sorted);
    for (BundleProofs::Packet& packet : proofs_.packets) {
      if (packet.segment != BundleProofs::Packet::kUnproven) packet.segment = place[packet.segment];
    }
    if (!numbers.empty()) proofs_.proof = merkle_proof(ledger_.signed_leaves(), numbers);
  }

  FileSystem& files_;
  const SignedLedger& ledger_;
  const std::map<Uuid, std::string> paths_;
  const PacketSelection& selection_;
  BundleProofs& proofs_;
  FrameHasher hasher_;
  HashTree tree_;
  FrameReader reader_;
  std::vector<uint8_t> sections_, raw_;
  std::vector<bool> wanted_;
  std::string damage_;
};

}  // namespace

void PacketSelection::add(const PacketPlace& place) {
  if (segments_.empty() || places_.empty() || segments_[places_.back().segment] != place.segment) {
    const auto [at, is_new] = numbers_.try_emplace(place.segment, static_cast<uint32_t>(segments_.size()));
    if (is_new) segments_.push_back(place.segment);
    places_.push_back({at->second, place.frame, place.row});
  } else {
    places_.push_back({places_.back().segment, place.frame, place.row});
  }
}

std::string PacketEvidence::key_file() const {
  std::string text = public_key_pem(signer);
  for (const KeyEndorsement& endorsement : endorsements) text += endorsement.line();
  return text;
}

Result<PacketEvidence> prove_packets(FileSystem& files, const std::vector<std::string>& directories,
                                     const PacketSelection& selection, const std::function<bool()>& stop) {
  const std::string* home = directory_with_ledger(files, directories);
  const std::string path = ledger_path(home != nullptr ? *home : directories.front());
  auto paths = segment_paths(files, directories);
  if (!paths) return pass_on(paths);
  auto reader = LedgerReader::open(files, path);
  if (!reader && reader.error().code == ENOENT)
    return fail("{}: this store has no ledger: nothing in it can be proven", directories.front());
  if (!reader) return pass_on(reader);
  const std::string origin = note_origin(reader->header().store_uuid);
  SignedLedger ledger;
  const auto read = read_ledger(files, path, [&](const LedgerEntry& entry) { ledger.add(entry, origin); });
  if (!read) return tl::unexpected(read.error());
  PacketEvidence evidence;
  if (!ledger.give(evidence)) return fail("{}: it holds no signed checkpoint: nothing can be proven", path);
  Prover prover(files, ledger, std::move(*paths), selection, evidence.proofs);
  if (auto proven = prover.run(stop); !proven) return pass_on(proven);
  return evidence;
}

}  // namespace gatetape
