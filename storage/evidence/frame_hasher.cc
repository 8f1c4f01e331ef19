#include "storage/evidence/frame_hasher.h"

#include <cstdlib>
#include <new>
#include <numeric>

namespace gatetape {
namespace {

constexpr size_t kKnownEntries = 1 << 18;

}  // namespace

FrameHasher::FrameHasher() : known_(static_cast<Known*>(std::calloc(kKnownEntries, sizeof(Known)))) {
  if (known_ == nullptr) throw std::bad_alloc();
}

void FrameHasher::Free::operator()(Known* known) const {
  std::free(known);
}

void FrameHasher::begin_segment() {
  segment_++;
}

// Digests of all payloads that stand in their leaf as a hash. Pieces come in the order in which payloads lie in the
// frame: lane by lane.
void FrameHasher::hash_payloads(const FrameReader& reader, std::span<const RememberedLiterals::Piece> pieces) {
  const auto rows = reader.rows();
  next_in_lane_.assign(reader.lanes().size() + 1, 0);
  for (const PacketRow& row : rows) next_in_lane_[row.lane + 1]++;
  std::partial_sum(next_in_lane_.begin(), next_in_lane_.end(), next_in_lane_.begin());
  by_lane_.resize(rows.size());
  for (uint32_t i = 0; i < rows.size(); i++) by_lane_[next_in_lane_[rows[i].lane]++] = i;

  payload_digests_.resize(rows.size());
  jobs_.clear();
  wanted_.clear();
  auto piece = pieces.begin();
  for (const uint32_t i : by_lane_) {
    const PacketRow& row = rows[i];
    const uint32_t length = row.payload_length();
    if (length == 0) continue;
    const uint8_t* payload = reader.bytes(row) + row.layout.length;
    const auto first = piece;
    while (piece != pieces.end() && piece->to >= payload && piece->to < payload + length) ++piece;
    if (length < kHashedPayloadBytesMin) continue;
    Known* known = nullptr;
    const bool whole = piece == first + 1 && first->to == payload && first->bytes == length;
    if (whole) {
      const uint64_t hash = (first->position * 0x9e3779b97f4a7c15u) ^ (length * 0xc2b2ae3d27d4eb4fu);
      known = &known_[hash >> 32 & (kKnownEntries - 1)];
      if (known->segment == segment_ && known->length == length && known->position == first->position) {
        payload_digests_[i] = known->digest;
        continue;
      }
    }
    wanted_.push_back({i, known, whole ? first->position : 0});
    jobs_.push_back({payload, length, payload_digests_[i].data()});
  }
  sha256(jobs_);
  for (const Wanted& wanted : wanted_) {
    if (wanted.remember == nullptr) continue;
    *wanted.remember = {wanted.position, rows[wanted.row].payload_length(), segment_, payload_digests_[wanted.row]};
  }
}

Sha256Digest FrameHasher::frame_root(const Uuid& uuid, const FrameHeader& header, std::span<const uint8_t> lanes,
                                     const FrameReader& reader, std::span<const RememberedLiterals::Piece> pieces) {
  hash_payloads(reader, pieces);
  const auto rows = reader.rows();
  messages_.clear();
  message_begins_.clear();
  for (size_t i = 0; i < rows.size(); i++) {
    const PacketRow& row = rows[i];
    const Lane& lane = reader.lanes()[row.lane];
    message_begins_.push_back(messages_.size());
    messages_.put(uint8_t{0});
    messages_.put(row.ordinal);
    messages_.put(row.timestamp_ns);
    messages_.put(row.captured_length);
    messages_.put(row.wire_length);
    messages_.put(lane.link_type);
    messages_.put(lane.interface_id);
    messages_.put(row.layout.length);
    const bool hashed = row.payload_length() >= kHashedPayloadBytesMin;
    messages_.bytes(reader.bytes(row), hashed ? row.layout.length : row.captured_length);
    if (hashed) messages_.bytes(payload_digests_[i]);
  }
  message_begins_.push_back(messages_.size());
  leaves_.resize(rows.size());
  jobs_.clear();
  for (size_t i = 0; i < rows.size(); i++) {
    jobs_.push_back(
        {messages_.data() + message_begins_[i], message_begins_[i + 1] - message_begins_[i], leaves_[i].data()});
  }
  sha256(jobs_);
  scratch_ = leaves_;
  return tree_.frame_root(uuid, header, lanes, scratch_);
}

}  // namespace gatetape
