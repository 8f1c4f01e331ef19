#include "storage/evidence/merkle_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace gatetape {
namespace {

// How many of a tree's leaves its left subtree has: the largest power of two that is less. Precondition: size > 1.
uint64_t left_leaves(uint64_t size) {
  return std::bit_floor(size - 1);
}

size_t count_below(std::span<const uint64_t> positions, uint64_t end) {
  return static_cast<size_t>(std::lower_bound(positions.begin(), positions.end(), end) - positions.begin());
}

Sha256Digest root_of(std::span<const Sha256Digest> leaves) {
  MerkleTree tree;
  for (const Sha256Digest& leaf : leaves) tree.add(leaf);
  return tree.root();
}

// `begin`: the number of the first of `leaves` in the whole tree.
void prove(std::span<const Sha256Digest> leaves, uint64_t begin, std::span<const uint64_t> positions,
           std::vector<Sha256Digest>& proof) {
  if (positions.empty()) return proof.push_back(root_of(leaves));
  if (leaves.size() == 1) return;
  const uint64_t left = left_leaves(leaves.size());
  const size_t in_left = count_below(positions, begin + left);
  prove(leaves.first(left), begin, positions.first(in_left), proof);
  prove(leaves.subspan(left), begin + left, positions.subspan(in_left), proof);
}

class ProofReader {
 public:
  explicit ProofReader(std::span<const Sha256Digest> proof) : proof_(proof) {}

  // The root of the subtree of `size` leaves from `begin` on.
  Sha256Digest root(uint64_t begin, uint64_t size, std::span<const uint64_t> positions,
                    std::span<const Sha256Digest> leaves) {
    if (positions.empty()) return take();
    if (size == 1) return leaves.front();
    const uint64_t left = left_leaves(size);
    const size_t in_left = count_below(positions, begin + left);
    const Sha256Digest left_root = root(begin, left, positions.first(in_left), leaves.first(in_left));
    return merkle_node(left_root, root(begin + left, size - left, positions.subspan(in_left), leaves.subspan(in_left)));
  }
  bool used_up() const { return !short_ && proof_.empty(); }

 private:
  Sha256Digest take() {
    short_ = short_ || proof_.empty();
    if (short_) return {};
    const Sha256Digest digest = proof_.front();
    proof_ = proof_.subspan(1);
    return digest;
  }

  std::span<const Sha256Digest> proof_;
  bool short_ = false;
};

}  // namespace

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

std::vector<Sha256Digest> merkle_proof(std::span<const Sha256Digest> leaves, std::span<const uint64_t> positions) {
  std::vector<Sha256Digest> proof;
  if (!leaves.empty()) prove(leaves, 0, positions, proof);
  return proof;
}

std::optional<Sha256Digest> merkle_root(uint64_t size, std::span<const uint64_t> positions,
                                        std::span<const Sha256Digest> leaves, std::span<const Sha256Digest> proof) {
  if (positions.size() != leaves.size() || positions.empty() || positions.back() >= size) return std::nullopt;
  for (size_t i = 1; i < positions.size(); i++) {
    if (positions[i] <= positions[i - 1]) return std::nullopt;
  }
  ProofReader reader(proof);
  const Sha256Digest root = reader.root(0, size, positions, leaves);
  if (!reader.used_up()) return std::nullopt;
  return root;
}

}  // namespace gatetape
