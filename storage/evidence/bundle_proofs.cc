#include "storage/evidence/bundle_proofs.h"

#include <algorithm>
#include <cstring>

#include "storage/format/byte_order.h"

namespace gatetape {
namespace {

constexpr char kMagic[9] = "GTPROOFS";
constexpr uint16_t kMajor = 1, kMinor = 0;
constexpr size_t kReasonBytesMax = 1024;

void put_digests(ByteSink& out, const std::vector<Sha256Digest>& digests) {
  out.varint(digests.size());
  for (const Sha256Digest& digest : digests) out.bytes(digest);
}

// Counts are held against what is left: an element has at least `bytes_each`.
size_t get_count(ByteSource& in, size_t bytes_each, bool& ok) {
  const uint64_t count = in.varint();
  ok = ok && in.ok() && count <= in.remaining() / bytes_each;
  return ok ? static_cast<size_t>(count) : 0;
}

void get_digests(ByteSource& in, std::vector<Sha256Digest>& digests, bool& ok) {
  digests.resize(get_count(in, sizeof(Sha256Digest), ok));
  for (Sha256Digest& digest : digests) in.bytes(digest.data(), digest.size());
}

uint32_t get_u32(ByteSource& in, bool& ok) {
  const uint64_t value = in.varint();
  ok = ok && value <= UINT32_MAX;
  return static_cast<uint32_t>(value);
}

void put_segment(ByteSink& out, const BundleProofs::Segment& segment) {
  const std::vector<uint8_t> body = serialise(LedgerContent(segment.sealed));
  out.varint(segment.entry.leaves);
  out.put(segment.entry.flags);
  out.varint(body.size());
  out.bytes(body);
  out.varint(segment.header.size());
  out.bytes(segment.header);
  out.varint(segment.frames.size());
  for (const BundleProofs::Frame& frame : segment.frames) {
    out.varint(frame.seal.number);
    out.varint(frame.seal.account_added);
    out.varint(frame.seal.account_dropped);
    out.bytes(frame.seal.lanes);
    out.varint(frame.seal.leaves);
    put_digests(out, frame.proof);
  }
  put_digests(out, segment.proof);
}

bool get_segment(ByteSource& in, BundleProofs::Segment& segment) {
  constexpr size_t kFrameBytesMin = 5 + sizeof(Sha256Digest);
  bool ok = true;
  segment.entry.type = LedgerType::kSegmentSealed;
  segment.entry.leaves = in.varint();
  segment.entry.flags = in.get<uint16_t>();
  const auto body = in.view(get_count(in, 1, ok));
  segment.entry.body_bytes = static_cast<uint32_t>(body.size());
  LedgerContent content;
  if (!ok || body.size() > kLedgerBodyBytesMax || !parse(LedgerType::kSegmentSealed, body, content)) return false;
  segment.sealed = std::move(std::get<SegmentSealed>(content));
  const auto header = in.view(get_count(in, 1, ok));
  segment.header.assign(header.begin(), header.end());
  segment.frames.resize(get_count(in, kFrameBytesMin, ok));
  for (BundleProofs::Frame& frame : segment.frames) {
    frame.seal.number = get_u32(in, ok);
    frame.seal.account_added = in.varint();
    frame.seal.account_dropped = in.varint();
    in.bytes(frame.seal.lanes.data(), frame.seal.lanes.size());
    frame.seal.leaves = get_u32(in, ok);
    get_digests(in, frame.proof, ok);
  }
  get_digests(in, segment.proof, ok);
  return ok && in.ok();
}

void put_packet(ByteSink& out, const BundleProofs::Packet& packet) {
  if (packet.segment == BundleProofs::Packet::kUnproven) {
    out.varint(0);
    return out.varint(packet.frame);
  }
  out.varint(uint64_t{packet.segment} + 1);
  out.varint(packet.frame);
  out.varint(packet.row);
  out.varint(packet.interface_id);
  out.varint(packet.head_length);
  out.varint(packet.ordinal);
  out.bytes(packet.leaf);
}

bool get_packet(ByteSource& in, const BundleProofs& proofs, BundleProofs::Packet& packet) {
  bool ok = true;
  const uint64_t segment = in.varint();
  packet.frame = get_u32(in, ok);
  if (segment == 0) {
    packet.segment = BundleProofs::Packet::kUnproven;
    return ok && packet.frame < proofs.reasons.size();
  }
  packet.segment = static_cast<uint32_t>(segment - 1);
  packet.row = get_u32(in, ok);
  const uint64_t interface = in.varint(), head = in.varint();
  packet.interface_id = static_cast<uint16_t>(interface);
  packet.head_length = static_cast<uint16_t>(head);
  packet.ordinal = in.varint();
  in.bytes(packet.leaf.data(), packet.leaf.size());
  return ok && segment <= proofs.segments.size() && interface <= UINT16_MAX && head <= UINT16_MAX;
}

}  // namespace

Sha256Digest BundleProofs::Segment::leaf() const {
  const std::vector<uint8_t> body = gatetape::serialise(LedgerContent(sealed));
  LedgerEntryHeader described = entry;
  described.body_bytes = static_cast<uint32_t>(body.size());
  ByteSink bytes;
  bytes.bytes(described.serialise(0));  // the seed is of a check that a leaf does not cover
  bytes.bytes(body);
  return ledger_leaf(bytes.bytes());
}

uint64_t BundleProofs::proven() const {
  return static_cast<uint64_t>(
      std::ranges::count_if(packets, [](const Packet& packet) { return packet.segment != Packet::kUnproven; }));
}

std::vector<uint8_t> BundleProofs::serialise() const {
  ByteSink out;
  out.bytes(kMagic, 8);
  out.put(kMajor);
  out.put(kMinor);
  out.varint(segments.size());
  for (const Segment& segment : segments) put_segment(out, segment);
  put_digests(out, proof);
  out.varint(reasons.size());
  for (const std::string& reason : reasons) {
    const std::string_view text = std::string_view(reason).substr(0, kReasonBytesMax);
    out.varint(text.size());
    out.bytes(text.data(), text.size());
  }
  out.varint(packets.size());
  for (const Packet& packet : packets) put_packet(out, packet);
  return {out.data(), out.data() + out.size()};
}

Result<BundleProofs> BundleProofs::parse(std::span<const uint8_t> bytes, uint64_t packets_max) {
  ByteSource in(bytes);
  const auto magic = in.view(8);
  const auto major = in.get<uint16_t>();
  in.get<uint16_t>();
  if (!in.ok() || std::memcmp(magic.data(), kMagic, 8) != 0) return fail("no proofs of a bundle");
  if (major != kMajor) return fail("proofs of version {}, which is not known here", major);
  BundleProofs proofs;
  bool ok = true;
  proofs.segments.resize(get_count(in, 200, ok));
  for (Segment& segment : proofs.segments) {
    if (!get_segment(in, segment)) return fail("a segment's proof is damaged");
  }
  get_digests(in, proofs.proof, ok);
  proofs.reasons.resize(get_count(in, 1, ok));
  for (std::string& reason : proofs.reasons) {
    const auto text = in.view(get_count(in, 1, ok));
    reason.assign(text.begin(), text.end());
    ok = ok && reason.size() <= kReasonBytesMax;
  }
  const size_t count = get_count(in, 2, ok);
  if (count > packets_max) return fail("proofs of {} packets: more than there are", count);
  proofs.packets.resize(count);
  for (Packet& packet : proofs.packets) ok = ok && get_packet(in, proofs, packet);
  if (!ok || !in.ok() || !in.at_end()) return fail("the proofs are damaged");
  return proofs;
}

std::string BundleManifest::text() const {
  std::string out = fmt::format("# gatetape bundle 1\n# {}\n# {} packets, {} proven\n", origin, packets, proven);
  for (size_t i = 0; i < std::size(kBundleFiles); i++)
    out += fmt::format("{}  {}\n", hex(hashes.at(i)), kBundleFiles[i]);
  return out;
}

}  // namespace gatetape
