#include "storage/format/hash_tree.h"

#include <cstring>

#include "storage/format/byte_order.h"

namespace gatetape {

// Pairing neighbours level by level, an odd last one moving up as it is, gives RFC 6962's tree.
Sha256Digest HashTree::root(std::vector<Sha256Digest>& leaves) {
  if (leaves.empty()) return sha256(std::span<const uint8_t>());
  while (leaves.size() > 1) {
    const size_t pairs = leaves.size() / 2;
    nodes_.resize(pairs);
    jobs_.resize(pairs);
    for (size_t i = 0; i < pairs; i++) {
      nodes_[i].prefix_and_children[0] = 1;
      std::memcpy(nodes_[i].prefix_and_children + 1, leaves[2 * i].data(), 2 * sizeof(Sha256Digest));
      jobs_[i] = {nodes_[i].prefix_and_children, sizeof(Node), leaves[i].data()};
    }
    sha256(jobs_);
    if (leaves.size() % 2 != 0) leaves[pairs] = leaves.back();
    leaves.resize(pairs + leaves.size() % 2);
  }
  return leaves.front();
}

Sha256Digest packet_leaf(const PacketLeaf& packet) {
  const auto tail = packet.bytes.subspan(packet.head_length);
  const bool hashed = tail.size() >= kHashedPayloadBytesMin;
  ByteSink message;
  message.put(uint8_t{0});
  message.put(packet.ordinal);
  message.put(packet.timestamp_ns);
  message.put(static_cast<uint32_t>(packet.bytes.size()));
  message.put(packet.wire_length);
  message.put(packet.link_type);
  message.put(packet.interface_id);
  message.put(packet.head_length);
  message.bytes(packet.bytes.first(packet.head_length));
  hashed ? message.bytes(sha256(tail)) : message.bytes(tail);
  return sha256(message.bytes());
}

Sha256Digest frame_root(const Uuid& segment, const FrameSeal& frame, const Sha256Digest& tree) {
  ByteSink message;
  message.put(uint8_t{2});
  message.bytes(segment);
  message.put(frame.number);
  message.put(frame.account_added);
  message.put(frame.account_dropped);
  message.bytes(frame.lanes);
  message.put(frame.leaves);
  message.bytes(tree);
  return sha256(message.bytes());
}

Sha256Digest segment_root(const Sha256Digest& header, uint32_t frames, const Sha256Digest& tree) {
  ByteSink message;
  message.put(uint8_t{3});
  message.bytes(header);
  message.put(frames);
  message.bytes(tree);
  return sha256(message.bytes());
}

Sha256Digest HashTree::frame_root(const Uuid& uuid, const FrameHeader& header, std::span<const uint8_t> lanes,
                                  std::vector<Sha256Digest>& leaves) {
  const FrameSeal frame{header.number, header.account_added, header.account_dropped, sha256(lanes),
                        static_cast<uint32_t>(leaves.size())};
  return gatetape::frame_root(uuid, frame, root(leaves));
}

Sha256Digest HashTree::segment_root(std::span<const uint8_t> header, std::vector<Sha256Digest> frame_roots) {
  const auto frames = static_cast<uint32_t>(frame_roots.size());
  return gatetape::segment_root(sha256(header), frames, root(frame_roots));
}

}  // namespace gatetape
