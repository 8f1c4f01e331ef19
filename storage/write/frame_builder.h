// Builds frames: packets go in one by one, a frame's bytes come out (FORMAT.md). One per segment stream, on its
// worker's thread. Copies each packet once on the way in; closing a frame finds repeats, hashes and compresses.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "packet/decode.h"
#include "packet/packet.h"
#include "storage/format/compression.h"
#include "storage/format/format.h"
#include "storage/format/hash_tree.h"
#include "storage/format/lane.h"
#include "storage/format/packet_columns.h"
#include "storage/write/lane_table.h"
#include "storage/write/lazy_memory.h"
#include "storage/write/payload_hashes.h"
#include "storage/write/repeat_finder.h"

namespace gatetape {

class FrameBuilder {
 public:
  // `reference_memory_bytes`: the budget for finding repeats, tables included. `seed`: of its hashes; it decides where
  // repeats are looked for.
  FrameBuilder(size_t reference_memory_bytes, int compression_level, uint64_t seed);

  void start_segment(const Uuid& uuid);

  bool empty() const { return rows_.empty(); }
  uint32_t packets() const { return static_cast<uint32_t>(rows_.size()); }
  // Whether a packet of that captured length still belongs into the open frame.
  bool has_room(uint32_t captured_length) const {
    return rows_.empty() ||
           (captured_bytes_ + captured_length <= kFrameCapturedBytes && rows_.size() < kFramePacketsMax);
  }
  // Precondition: has_room(), captured_length <= kStoredPacketBytesMax.
  void add(const Packet& packet, const DecodedPacket& decoded, const PacketContext& context);

  // Writes the frame into `out` (replacing what it holds) and fills `header`; the builder is empty afterwards.
  // Precondition: not empty; `header` has number and account.
  void close(FrameHeader& header, ByteSink& out);
  // Forgets the open frame.
  void discard();

 private:
  void order_lanes();
  void summarise(FrameHeader& header) const;
  size_t gather_payload();
  Sha256Digest root(const FrameHeader& header, std::span<const uint8_t> lanes);
  void append_section(FrameHeader& header, SectionType type, std::span<const uint8_t> raw, bool try_compressing,
                      bool repairable, ByteSink& out);
  void append_literals(FrameHeader& header, std::span<const uint8_t> literals, ByteSink& out);

  Uuid uuid_{};
  Compressor compressor_;
  RepeatFinder repeat_finder_;
  PayloadHashes payload_hashes_;
  PacketColumnsWriter columns_writer_;

  // The open frame.
  LazyMemory<uint8_t> buffer_;
  uint32_t captured_bytes_ = 0;
  std::vector<PacketRow> rows_;
  LaneTable lanes_;
  std::vector<bool> encrypted_;  // by lane

  // Scratch of close().
  std::vector<Lane> ordered_lanes_;
  std::vector<uint16_t> reverse_of_;
  uint16_t searched_lanes_ = 0;    // the first so many of them; the others are encrypted
  uint32_t searched_bytes_ = 0;    // their payload
  std::vector<uint32_t> by_lane_;  // rows in the order of payload
  std::vector<PayloadOperation> operations_;
  ByteSink section_;
  std::vector<uint16_t> lane_order_, lane_number_;  // new number to old, old to new
  std::vector<uint32_t> next_in_lane_;
  // Scratch of root().
  HashTree hash_tree_;
  ByteSink messages_;                 // the leaves', one after another
  std::vector<uint32_t> message_at_;  // by row: where in messages_
  std::vector<PayloadHashes::Payload> payloads_;
  std::vector<Sha256Job> jobs_;
  std::vector<Sha256Digest> leaves_;
};

}  // namespace gatetape
