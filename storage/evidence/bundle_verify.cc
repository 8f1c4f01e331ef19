#include "storage/evidence/bundle_verify.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "common/time_text.h"
#include "storage/evidence/bundle_packets.h"
#include "storage/evidence/bundle_proofs.h"
#include "storage/evidence/file_hash.h"
#include "storage/evidence/merkle_tree.h"
#include "storage/evidence/signing_key.h"

namespace gatetape {
namespace {

constexpr size_t kSmallFileBytesMax = 64 << 10;
constexpr size_t kProofsBytesMax = size_t{8} << 30;
constexpr size_t kPacketBlockBytesMin = 32;

using ProvenPacket = BundleProofs::Packet;

class BundleVerification {
 public:
  BundleVerification(FileSystem& files, const std::string& directory, const std::string& fingerprint,
                     const std::atomic<bool>* stop)
      : files_(files), directory_(directory), fingerprint_(fingerprint), stop_(stop) {}

  Result<BundleReport> run() {
    if (auto listed = check_names(); !listed) return pass_on(listed);
    if (!report_.findings.empty()) return std::move(report_);
    if (auto checked = check_signatures(); !checked) return pass_on(checked);
    if (auto checked = check_proofs(); !checked) return pass_on(checked);
    if (auto checked = check_packets(); !checked) return pass_on(checked);
    if (auto checked = check_manifest(); !checked) return pass_on(checked);
    return std::move(report_);
  }

 private:
  std::string path(const char* name) const { return directory_ + "/" + name; }
  void wrong(const char* name, uint64_t offset, std::string what) {
    report_.findings.push_back({path(name), offset, std::move(what)});
  }
  bool wrong_already(const char* name) const {
    return std::ranges::any_of(report_.findings, [&](const Finding& finding) { return finding.file == path(name); });
  }
  bool stopped() const { return stop_ != nullptr && *stop_; }

  // Exactly the files of a bundle.
  Result<void> check_names() {
    const auto names = files_.list(directory_);
    if (!names) return tl::unexpected(names.error());
    std::set<std::string> missing(std::begin(kBundleFiles), std::end(kBundleFiles));
    missing.insert(kBundleManifest);
    for (const std::string& name : *names) {
      if (missing.erase(name) == 0) wrong(name.c_str(), 0, "this file is not part of a bundle");
      const auto status = files_.entry_status(directory_ + "/" + name);
      if (status && status->kind != FileStatus::Kind::kRegular) wrong(name.c_str(), 0, "not a regular file");
    }
    for (const std::string& name : missing) {
      const bool unfinished = name == kBundleManifest;
      wrong(name.c_str(), 0, unfinished ? "missing: the bundle was never finished" : "missing");
    }
    return {};
  }

  // key.pem leads from the trusted key to the one that signed the checkpoint.
  Result<void> check_signatures() {
    const auto key_file = read_whole_file(files_, path(kBundleKey), kSmallFileBytesMax);
    if (!key_file) return tl::unexpected(key_file.error());
    const auto note_text = read_whole_file(files_, path(kBundleCheckpoint), kSmallFileBytesMax);
    if (!note_text) return tl::unexpected(note_text.error());
    const auto key = public_key_from_pem(*key_file);
    const auto endorsements = endorsements_in(*key_file);
    if (!key || !endorsements) {
      wrong(kBundleKey, 0, "holds no Ed25519 public key, or a false endorsement");
    } else {
      std::string again = public_key_pem(*key);
      std::set<Ed25519Key> trusted;
      if (key_fingerprint(*key) == fingerprint_) trusted.insert(*key);
      for (const KeyEndorsement& e : *endorsements) {
        again += e.line();
        if (key_fingerprint(e.previous) == fingerprint_ || trusted.contains(e.previous)) trusted.insert(e.key);
      }
      if (again != *key_file) wrong(kBundleKey, 0, "holds more than a key and its endorsements");
      if (!trusted.contains(*key)) {
        wrong(kBundleKey, 0,
              fmt::format("this is another key, {}, and {} did not sign it", key_fingerprint(*key), fingerprint_));
      } else {
        key_ = key;
      }
    }
    auto note = SignedNote::parse(*note_text);
    if (!note) {
      wrong(kBundleCheckpoint, 0, "not a signed checkpoint: " + note.error().message);
      return {};
    }
    checkpoint_ = std::move(*note);
    report_.origin = checkpoint_->checkpoint.origin;
    report_.leaves = checkpoint_->checkpoint.tree_size;
    report_.signed_ns = checkpoint_->checkpoint.time_ns;
    if (!key_) return {};
    const auto* signature = checkpoint_->by(*key_);
    if (signature == nullptr || !verify_signature(*key_, checkpoint_->signed_text, signature->signature)) {
      wrong(kBundleCheckpoint, 0, "its signature is false, or by another key than that of key.pem");
    }
    return {};
  }

  // From the leaves that the proofs hold up to the checkpoint.
  Result<void> check_proofs() {
    auto packets = BundlePackets::open(files_, path(kBundlePackets));
    if (!packets) return pass_on(packets);
    const auto text = read_whole_file(files_, path(kBundleProofs), kProofsBytesMax);
    if (!text) return tl::unexpected(text.error());
    auto proofs = BundleProofs::parse({reinterpret_cast<const uint8_t*>(text->data()), text->size()},
                                      packets->file_bytes() / kPacketBlockBytesMin);
    if (!proofs) {
      wrong(kBundleProofs, 0, proofs.error().message);
      return {};
    }
    proofs_ = std::move(*proofs);
    for (const ProvenPacket& packet : proofs_->packets) {
      if (packet.segment == ProvenPacket::kUnproven) unproven_[packet.frame]++;
    }
    for (const auto& [reason, count] : unproven_) {
      report_.unproven.push_back(fmt::format("{} of the packets have no proof: {}", count, proofs_->reasons[reason]));
    }
    if (!checkpoint_) return {};
    const std::string problem = problem_of_proofs();
    if (!problem.empty()) wrong(kBundleProofs, 0, problem);
    return {};
  }

  std::string problem_of_proofs() {
    std::vector<std::vector<uint32_t>> of_segment(proofs_->segments.size());
    for (uint32_t i = 0; i < proofs_->packets.size(); i++) {
      const ProvenPacket& packet = proofs_->packets[i];
      if (packet.segment != ProvenPacket::kUnproven) of_segment[packet.segment].push_back(i);
    }
    std::vector<uint64_t> numbers;
    std::vector<Sha256Digest> leaves;
    for (size_t i = 0; i < of_segment.size(); i++) {
      const BundleProofs::Segment& segment = proofs_->segments[i];
      if (std::string problem = problem_of_segment(segment, of_segment[i]); !problem.empty()) return problem;
      numbers.push_back(segment.entry.leaves);
      leaves.push_back(segment.leaf());
    }
    if (numbers.empty()) return proofs_->proof.empty() ? "" : "a way to the checkpoint, and nothing that goes it";
    const auto root = merkle_root(checkpoint_->checkpoint.tree_size, numbers, leaves, proofs_->proof);
    if (!root || *root != checkpoint_->checkpoint.root) {
      return "its segments are not those that the checkpoint was signed over";
    }
    return problem_of_order();
  }

  // `packets`: numbers of those in this segment, in the order of the capture file.
  std::string problem_of_segment(const BundleProofs::Segment& segment, const std::vector<uint32_t>& packets) {
    const SegmentFacts& facts = segment.sealed.segment;
    size_t header_bytes = 0;
    auto header = SegmentHeader::parse(segment.header, header_bytes);
    if (!header || header_bytes != segment.header.size() || header->uuid != facts.uuid) {
      return fmt::format("the header of segment {} is damaged", facts.sequence);
    }
    std::vector<uint64_t> numbers;
    std::vector<Sha256Digest> roots;
    auto packet = packets.begin();
    for (const BundleProofs::Frame& frame : segment.frames) {
      std::vector<uint64_t> rows;
      std::vector<Sha256Digest> leaves;
      const auto first = packet;
      for (; packet != packets.end() && proofs_->packets[*packet].frame == frame.seal.number; ++packet) {
        rows.push_back(proofs_->packets[*packet].row);
        leaves.push_back(proofs_->packets[*packet].leaf);
      }
      const auto tree = merkle_root(frame.seal.leaves, rows, leaves, frame.proof);
      if (!tree) {
        return fmt::format("the packets of frame {} of segment {}, from packet {} on, do not fit their proof",
                           frame.seal.number, facts.sequence, first == packets.end() ? 0 : *first + 1);
      }
      numbers.push_back(frame.seal.number);
      roots.push_back(frame_root(facts.uuid, frame.seal, *tree));
    }
    if (packet != packets.end())
      return fmt::format("packet {}: its frame has no proof, or it is out of order", *packet + 1);
    const auto tree = merkle_root(facts.frames, numbers, roots, segment.proof);
    if (!tree || segment_root(sha256(segment.header), facts.frames, *tree) != facts.root) {
      const uint32_t first = packets.empty() ? 0 : packets.front() + 1;
      return fmt::format("packet {}, or another of segment {}, is not what was sealed", first, facts.sequence);
    }
    headers_.push_back(std::move(*header));
    return {};
  }

  // Packets come in order of arrival: within a domain of a run ordinals rise.
  std::string problem_of_order() const {
    std::map<std::pair<Uuid, uint32_t>, uint64_t> last;
    for (size_t i = 0; i < proofs_->packets.size(); i++) {
      const ProvenPacket& packet = proofs_->packets[i];
      if (packet.segment == ProvenPacket::kUnproven) continue;
      const SegmentHeader& header = headers_[packet.segment];
      const auto [at, is_first] = last.try_emplace({header.run_uuid, header.ordinal_domain}, packet.ordinal);
      if (!is_first && packet.ordinal <= at->second) return fmt::format("packet {} is out of order", i + 1);
      at->second = packet.ordinal;
    }
    return {};
  }

  // The capture file holds the packets that the leaves are of.
  Result<void> check_packets() {
    auto capture = BundlePackets::open(files_, path(kBundlePackets));
    if (!capture) return pass_on(capture);
    Packet packet;
    BundlePackets::Next next;
    for (; (next = capture->next(packet)) == BundlePackets::Next::kPacket && !stopped(); report_.packets++) {
      report_.captured_bytes += packet.captured_length;
      if (!proofs_ || wrong_already(kBundlePackets)) continue;
      const std::string problem = problem_of(packet, capture->interfaces()[packet.interface_id]);
      if (problem.empty()) continue;
      wrong(kBundlePackets, capture->offset(),
            fmt::format("packet {}, of {}: {}", report_.packets + 1, format_time(packet.timestamp_ns), problem));
    }
    if (stopped()) return fail("interrupted");
    if (next == BundlePackets::Next::kUnreadable) return fail("{}: {}", path(kBundlePackets), capture->problem());
    if (next == BundlePackets::Next::kDamaged) {
      wrong(kBundlePackets, capture->offset(), fmt::format("after packet {}: {}", report_.packets, capture->problem()));
    } else if (proofs_ && report_.packets < proofs_->packets.size() && !wrong_already(kBundlePackets)) {
      wrong(kBundlePackets, capture->offset(),
            fmt::format("it ends after packet {}, but {} were extracted", report_.packets, proofs_->packets.size()));
    }
    return {};
  }

  std::string problem_of(const Packet& packet, const StoreInterface& interface) {
    if (report_.packets >= proofs_->packets.size()) return "more packets than were extracted";
    const ProvenPacket& proof = proofs_->packets[report_.packets];
    if (proof.segment == ProvenPacket::kUnproven) return {};
    report_.proven++;
    const std::string_view changed = "it is not the packet that was recorded at this place";
    if (proof.head_length > packet.captured_length) return std::string(changed);
    const PacketLeaf leaf{proof.ordinal,      packet.timestamp_ns, packet.wire_length, packet.link_type,
                          proof.interface_id, proof.head_length,   packet.bytes()};
    if (packet_leaf(leaf) != proof.leaf) return std::string(changed);
    if (proof.segment >= headers_.size()) return {};  // said of the proofs
    const auto& interfaces = headers_[proof.segment].interfaces;
    if (proof.interface_id < interfaces.size() && interfaces[proof.interface_id] != interface) {
      return "it was recorded on another interface";
    }
    return {};
  }

  // The manifest has the hashes of all other files, and nothing but what follows from them.
  Result<void> check_manifest() {
    const auto manifest = read_whole_file(files_, path(kBundleManifest), kSmallFileBytesMax);
    if (!manifest) return tl::unexpected(manifest.error());
    BundleManifest right{report_.origin, report_.packets, proofs_ ? proofs_->proven() : 0, {}};
    bool all_right = true;
    for (const char* name : kBundleFiles) {
      auto hash = file_hash(files_, path(name));
      if (!hash) return pass_on(hash);
      right.hashes.push_back(*hash);
      const bool in_manifest = manifest->find(fmt::format("\n{}  {}\n", hex(*hash), name)) != std::string::npos;
      all_right = all_right && in_manifest;
      if (!in_manifest && !wrong_already(name)) wrong(name, 0, "it is not the file that the manifest has the hash of");
    }
    const std::string text = right.text();
    if (!manifest->starts_with(text)) {
      if (all_right && report_.findings.empty()) wrong(kBundleManifest, 0, "it does not describe this bundle");
      return {};
    }
    check_manifest_signature(text, std::string_view(*manifest).substr(text.size()));
    return {};
  }

  void check_manifest_signature(const std::string& text, std::string_view rest) {
    if (rest.empty() || !key_) return;
    const auto signatures = parse_note_signatures(rest.substr(rest.starts_with('\n') ? 1 : 0));
    if (!signatures || signatures->size() != 1)
      return wrong(kBundleManifest, 0, "bytes after the hashes are no signature");
    const auto& signature = signatures->front().signature;
    if (rest != "\n" + sign_note_line(report_.origin, *key_, signature) || !verify_signature(*key_, text, signature)) {
      return wrong(kBundleManifest, 0, "its signature is false, or by another key than that of key.pem");
    }
    report_.manifest_signed = true;
  }

  FileSystem& files_;
  const std::string directory_, fingerprint_;
  const std::atomic<bool>* const stop_;
  BundleReport report_;
  std::optional<Ed25519Key> key_;  // that of key.pem, when it is to be trusted
  std::optional<SignedNote> checkpoint_;
  std::optional<BundleProofs> proofs_;
  std::map<uint32_t, uint64_t> unproven_;  // packets by reason
  std::vector<SegmentHeader> headers_;     // those of the proofs' segments, up to the first that is wrong
};

}  // namespace

Result<BundleReport> verify_bundle(FileSystem& files, const std::string& directory, const std::string& fingerprint,
                                   const std::atomic<bool>* stop) {
  return BundleVerification(files, directory, fingerprint, stop).run();
}

}  // namespace gatetape
