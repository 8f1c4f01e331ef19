#include "storage/evidence/merkle_tree.h"

#include <cstring>
#include <vector>

namespace gatetape {

Sha256Digest merkle_leaf(std::span<const uint8_t> data) {
  std::vector<uint8_t> message(1 + data.size());
  if (!data.empty()) std::memcpy(message.data() + 1, data.data(), data.size());
  return sha256(message);
}

Sha256Digest merkle_node(const Sha256Digest& left, const Sha256Digest& right) {
  std::array<uint8_t, 1 + 2 * sizeof(Sha256Digest)> message;
  message[0] = 1;
  std::memcpy(message.data() + 1, left.data(), left.size());
  std::memcpy(message.data() + 1 + left.size(), right.data(), right.size());
  return sha256(message);
}

void MerkleTree::add(const Sha256Digest& leaf) {
  Sha256Digest subtree = leaf;
  size_t level = 0;
  for (uint64_t full = size_; full & 1; full >>= 1) subtree = merkle_node(subtrees_[level++], subtree);
  subtrees_[level] = subtree;
  size_++;
}

Sha256Digest MerkleTree::root() const {
  if (size_ == 0) return sha256(std::span<const uint8_t>());
  auto level = static_cast<size_t>(__builtin_ctzll(size_));
  Sha256Digest root = subtrees_[level];
  for (level++; level < subtrees_.size(); level++) {
    if (size_ >> level & 1) root = merkle_node(subtrees_[level], root);
  }
  return root;
}

}  // namespace gatetape
