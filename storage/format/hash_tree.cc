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

Sha256Digest HashTree::frame_root(const Uuid& uuid, const FrameHeader& header, std::span<const uint8_t> lanes,
                                  std::vector<Sha256Digest>& leaves) {
  ByteSink message;
  message.put(uint8_t{2});
  message.bytes(uuid);
  message.put(header.number);
  message.put(header.account_added);
  message.put(header.account_dropped);
  message.bytes(sha256(lanes));
  message.put(static_cast<uint32_t>(leaves.size()));
  message.bytes(root(leaves));
  return sha256(message.bytes());
}

Sha256Digest HashTree::segment_root(std::span<const uint8_t> header, std::vector<Sha256Digest> frame_roots) {
  ByteSink message;
  message.put(uint8_t{3});
  message.bytes(sha256(header));
  message.put(static_cast<uint32_t>(frame_roots.size()));
  message.bytes(root(frame_roots));
  return sha256(message.bytes());
}

}  // namespace gatetape
