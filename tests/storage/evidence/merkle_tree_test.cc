// The growing tree against the test vectors of Certificate Transparency, and against the tree over finished lists.
#include "storage/evidence/merkle_tree.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "storage/format/hash_tree.h"

using namespace gatetape;

namespace {

std::string hex(const Sha256Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

TEST_CASE("roots are those of the public test vectors", "[merkle]") {
  const std::vector<std::vector<uint8_t>> leaves = {
      {},
      {0x00},
      {0x10},
      {0x20, 0x21},
      {0x30, 0x31},
      {0x40, 0x41, 0x42, 0x43},
      {0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57},
      {0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f}};
  const std::vector<std::string> roots = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                          "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                          "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                          "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                          "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                          "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                          "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                          "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                          "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  MerkleTree tree;
  CHECK(hex(tree.root()) == roots[0]);
  for (size_t i = 0; i < leaves.size(); i++) {
    tree.add(merkle_leaf(leaves[i]));
    CHECK(tree.size() == i + 1);
    CHECK(hex(tree.root()) == roots[i + 1]);
  }
}

TEST_CASE("a growing tree has the root of the finished list at each size", "[merkle]") {
  MerkleTree tree;
  std::vector<Sha256Digest> leaves;
  for (uint8_t i = 0; i < 200; i++) {
    leaves.push_back(merkle_leaf({&i, 1}));
    tree.add(leaves.back());
    auto scratch = leaves;
    REQUIRE(tree.root() == HashTree().root(scratch));
  }
}

TEST_CASE("proofs of any leaves lead to the root, and no other leaves do", "[merkle]") {
  std::vector<Sha256Digest> leaves;
  for (uint8_t size = 1; size < 40; size++) {
    leaves.push_back(merkle_leaf({&size, 1}));
    auto scratch = leaves;
    const Sha256Digest root = HashTree().root(scratch);
    for (uint32_t chosen = 1; chosen < 60; chosen++) {
      std::vector<uint64_t> positions;
      std::vector<Sha256Digest> some;
      for (uint64_t i = 0; i < size; i++) {
        if ((i * 7 + chosen * 13) % (chosen % 9 + 1) != 0) continue;
        positions.push_back(i);
        some.push_back(leaves[i]);
      }
      if (positions.empty()) continue;
      auto proof = merkle_proof(leaves, positions);
      CAPTURE(size, chosen);
      REQUIRE(merkle_root(size, positions, some, proof) == root);
      auto changed = some;
      changed.back()[3] ^= 1;
      REQUIRE(merkle_root(size, positions, changed, proof) != root);
      proof.push_back(root);
      REQUIRE(!merkle_root(size, positions, some, proof));
      auto unordered = positions;
      unordered.push_back(unordered.back());
      some.push_back(some.back());
      REQUIRE(!merkle_root(size, unordered, some, proof));
    }
  }
  const std::vector<uint64_t> beyond = {40};
  REQUIRE(!merkle_root(40, beyond, std::span(leaves).first(1), {}));
  REQUIRE(!merkle_root(0, {}, {}, {}));
}
