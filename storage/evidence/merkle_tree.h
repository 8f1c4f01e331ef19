// The growing hash tree of RFC 6962 (section 2.1): its root after each leaf, in memory that grows with the logarithm of
// the leaves. The writer and every reader of a ledger hold one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "storage/format/sha256.h"

namespace gatetape {

// H(0x00 || data): the leaf hash.
Sha256Digest merkle_leaf(std::span<const uint8_t> data);
// H(0x01 || left || right).
Sha256Digest merkle_node(const Sha256Digest& left, const Sha256Digest& right);

class MerkleTree {
 public:
  // `leaf` is hashed already.
  void add(const Sha256Digest& leaf);
  uint64_t size() const { return size_; }
  // Returns the root. For an empty tree it is H() of nothing, as in the RFC.
  Sha256Digest root() const;

 private:
  uint64_t size_ = 0;
  // Bit n of size_ says that subtrees_[n] is the root of a full subtree of 2^n leaves; larger ones lie further left.
  std::array<Sha256Digest, 64> subtrees_;
};

// Proofs that some leaves stand at their places in a tree, for one leaf or many at once: the roots of those largest
// subtrees that hold none of them, from left to right. For one leaf these are the hashes of RFC 6962's audit path, in
// the order of their subtrees.
//
// `positions`: rising, below leaves.size().
std::vector<Sha256Digest> merkle_proof(std::span<const Sha256Digest> leaves, std::span<const uint64_t> positions);
// Returns the root of the tree of `size` leaves that has `leaves` at `positions`; nothing when the proof does not fit.
// All may be hostile.
std::optional<Sha256Digest> merkle_root(uint64_t size, std::span<const uint64_t> positions,
                                        std::span<const Sha256Digest> leaves, std::span<const Sha256Digest> proof);

}  // namespace gatetape
