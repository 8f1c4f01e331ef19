#include "storage/write/frame_builder.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "common/check.h"
#include "storage/format/bit_repair.h"

namespace gatetape {
namespace {

// The side that opened the connection usually has the higher port. Requests stand beside requests, responses beside
// responses: like compresses with like.
bool to_server(const Lane& lane) {
  return lane.source_port > lane.destination_port;
}

constexpr size_t kHashMemoryShare = 24;  // one part in so many of the reference memory is for remembered hashes

}  // namespace

FrameBuilder::FrameBuilder(size_t reference_memory_bytes, int compression_level, uint64_t seed)
    : compressor_(compression_level),
      repeat_finder_(reference_memory_bytes - reference_memory_bytes / kHashMemoryShare, seed),
      payload_hashes_(reference_memory_bytes),
      buffer_(kFrameCapturedBytes + kStoredPacketBytesMax),
      lanes_(kFramePacketsMax, seed) {
  rows_.reserve(kFramePacketsMax);
}

void FrameBuilder::start_segment(const Uuid& uuid) {
  uuid_ = uuid;
  repeat_finder_.start_segment();
  payload_hashes_.start_segment();
}

void FrameBuilder::add(const Packet& packet, const DecodedPacket& decoded, const PacketContext& context) {
  GT_CHECK(has_room(packet.captured_length) && packet.captured_length <= kStoredPacketBytesMax);
  PacketRow& row = rows_.emplace_back();
  row.ordinal = packet.ordinal;
  row.timestamp_ns = packet.timestamp_ns;
  row.offset = captured_bytes_;
  row.captured_length = packet.captured_length;
  row.wire_length = std::max(packet.wire_length, packet.captured_length);
  row.layout = HeadLayout::of(packet, decoded);
  row.lane = lanes_.find_or_add(Lane::of(packet, decoded, context.flow_id));
  if (row.lane == encrypted_.size()) encrypted_.push_back(false);
  if (context.encrypted) encrypted_[row.lane] = true;
  if (packet.captured_length != 0) std::memcpy(buffer_.data() + captured_bytes_, packet.data, packet.captured_length);
  captured_bytes_ += packet.captured_length;
}

void FrameBuilder::discard() {
  rows_.clear();
  lanes_.clear();
  encrypted_.clear();
  captured_bytes_ = 0;
}

// Numbers the lanes in the order in which their payloads will stand (those without repeats last), and finds the reverse
// of each.
void FrameBuilder::order_lanes() {
  const auto lanes = lanes_.lanes();
  std::vector<uint16_t>&order = lane_order_, &number = lane_number_;
  order.resize(lanes.size());
  std::iota(order.begin(), order.end(), uint16_t{0});
  const auto searched_end =
      std::stable_partition(order.begin(), order.end(), [&](uint16_t lane) { return !encrypted_[lane]; });
  searched_lanes_ = static_cast<uint16_t>(searched_end - order.begin());
  std::stable_partition(order.begin(), searched_end, [&](uint16_t lane) { return to_server(lanes[lane]); });
  number.resize(lanes.size());
  ordered_lanes_.clear();
  for (const uint16_t lane : order) {
    number[lane] = static_cast<uint16_t>(ordered_lanes_.size());
    ordered_lanes_.push_back(lanes[lane]);
  }
  reverse_of_.assign(lanes.size(), kNoLane);
  for (size_t i = 0; i < lanes.size(); i++) {
    const uint16_t reverse = lanes_.find(lanes[i].reversed());
    if (reverse != kNoLane && reverse != i) reverse_of_[number[i]] = number[reverse];
  }
  for (PacketRow& row : rows_) row.lane = number[row.lane];
}

void FrameBuilder::summarise(FrameHeader& header) const {
  header.segment_id = segment_id(uuid_);
  header.packets = packets();
  header.captured_bytes = captured_bytes_;
  header.ordinal_min = header.ordinal_max = rows_.front().ordinal;
  header.time_min_ns = header.time_max_ns = rows_.front().timestamp_ns;
  for (const PacketRow& row : rows_) {
    header.ordinal_min = std::min(header.ordinal_min, row.ordinal);
    header.ordinal_max = std::max(header.ordinal_max, row.ordinal);
    header.time_min_ns = std::min(header.time_min_ns, row.timestamp_ns);
    header.time_max_ns = std::max(header.time_max_ns, row.timestamp_ns);
  }
}

// Payloads one after another, lane by lane; returns how many bytes.
size_t FrameBuilder::gather_payload() {
  std::vector<uint32_t>& next = next_in_lane_;
  next.assign(ordered_lanes_.size() + 1, 0);
  for (const PacketRow& row : rows_) next[row.lane + 1]++;
  std::partial_sum(next.begin(), next.end(), next.begin());
  by_lane_.resize(rows_.size());
  for (uint32_t i = 0; i < rows_.size(); i++) by_lane_[next[rows_[i].lane]++] = i;
  size_t size = 0;
  searched_bytes_ = 0;
  for (const PacketRow& row : rows_) {
    size += row.payload_length();
    if (row.lane < searched_lanes_) searched_bytes_ += row.payload_length();
  }
  uint8_t* to = repeat_finder_.begin_frame(size).data();
  for (const uint32_t i : by_lane_) {
    const PacketRow& row = rows_[i];
    if (row.payload_length() != 0)
      std::memcpy(to, buffer_.data() + row.offset + row.layout.length, row.payload_length());
    to += row.payload_length();
  }
  return size;
}

// FORMAT.md, hash tree. The leaves' messages stand one after another; payload hashes are written into it first.
Sha256Digest FrameBuilder::root(const FrameHeader& header, std::span<const uint8_t> lanes) {
  constexpr size_t kFixedBytes = 1 + 8 + 8 + 4 + 4 + 2 + 2 + 2;
  messages_.clear();
  message_at_.resize(rows_.size());
  payloads_.clear();
  messages_.reserve(rows_.size() *
                    (kFixedBytes + kHeadBytesMax + kHashedPayloadBytesMin));  // stays where it is from here on
  uint32_t stream_at = 0;
  for (const uint32_t i : by_lane_) {
    const PacketRow& row = rows_[i];
    const Lane& lane = ordered_lanes_[row.lane];
    message_at_[i] = static_cast<uint32_t>(messages_.size());
    messages_.put(uint8_t{0});
    messages_.put(row.ordinal);
    messages_.put(row.timestamp_ns);
    messages_.put(row.captured_length);
    messages_.put(row.wire_length);
    messages_.put(lane.link_type);
    messages_.put(lane.interface_id);
    messages_.put(row.layout.length);
    const uint8_t* bytes = buffer_.data() + row.offset;
    if (row.payload_length() < kHashedPayloadBytesMin) {
      messages_.bytes(bytes, row.captured_length);
    } else {
      messages_.bytes(bytes, row.layout.length);
      payloads_.push_back({stream_at, stream_at + row.payload_length(), bytes + row.layout.length,
                           messages_.reserve(sizeof(Sha256Digest))});
      messages_.commit(sizeof(Sha256Digest));
    }
    stream_at += row.payload_length();
  }
  payload_hashes_.hash(payloads_, operations_, repeat_finder_.literal_position());
  jobs_.resize(rows_.size());
  leaves_.resize(rows_.size());
  size_t end = messages_.size();
  for (size_t k = by_lane_.size(); k-- > 0;) {
    const uint32_t i = by_lane_[k];
    jobs_[i] = {messages_.data() + message_at_[i], end - message_at_[i], leaves_[i].data()};
    end = message_at_[i];
  }
  sha256(jobs_);
  return hash_tree_.frame_root(uuid_, header, lanes, leaves_);
}

void FrameBuilder::append_section(FrameHeader& header, SectionType type, std::span<const uint8_t> raw,
                                  bool try_compressing, bool repairable, ByteSink& out) {
  const size_t begin = out.size();
  Section section;
  section.type = type;
  section.flags = kSectionRequired;
  section.raw_bytes = static_cast<uint32_t>(raw.size());
  if (try_compressing && compressor_.compress(raw, out)) {
    section.codec = Codec::kZstd;
  } else {
    out.bytes(raw);
  }
  section.stored_bytes = static_cast<uint32_t>(out.size() - begin);
  const std::span<const uint8_t> stored(out.data() + begin, section.stored_bytes);
  section.checksum = checksum(stored);
  if (repairable) section.repair = repair_code(stored);
  header.sections.push_back(section);
}

// Literals of encrypted lanes, which come last, are not referred to: a flipped bit costs no more than their own frame.
void FrameBuilder::append_literals(FrameHeader& header, std::span<const uint8_t> literals, ByteSink& out) {
  header.literal_bytes = static_cast<uint32_t>(literals.size());
  for (size_t at = 0; at < literals.size(); at += kLiteralBlockBytes) {
    const auto block = literals.subspan(at, std::min<size_t>(kLiteralBlockBytes, literals.size() - at));
    append_section(header, SectionType::kLiterals, block, compressor_.worthwhile(block), at < searched_bytes_, out);
  }
}

void FrameBuilder::close(FrameHeader& header, ByteSink& out) {
  GT_CHECK(!empty());
  order_lanes();
  summarise(header);
  header.payload_bytes = static_cast<uint32_t>(gather_payload());
  const auto literals = repeat_finder_.split(searched_bytes_, operations_);
  header.literal_position = repeat_finder_.literal_position();
  section_.clear();
  encode_lanes(ordered_lanes_, reverse_of_, section_);
  header.root = root(header, section_.bytes());

  const size_t blocks = (literals.size() + kLiteralBlockBytes - 1) / kLiteralBlockBytes;
  const size_t header_bytes = frame_header_bytes(3 + blocks);
  header.sections.clear();
  out.clear();
  out.zeros(header_bytes);
  append_section(header, SectionType::kLanes, section_.bytes(), true, true, out);
  section_.clear();
  columns_writer_.encode(header, rows_, buffer_.data(), ordered_lanes_, reverse_of_, compressor_, section_);
  append_section(header, SectionType::kPacketColumns, section_.bytes(), false, true, out);
  section_.clear();
  encode_operations(operations_, section_);
  append_section(header, SectionType::kPayloadOperations, section_.bytes(), true, true, out);
  append_literals(header, literals, out);
  GT_CHECK(header.header_bytes() == header_bytes);
  header.serialise(out.data());
  discard();
}

}  // namespace gatetape
