// Decompressed literal blocks of the segments being read, least recently used given up first. References reach back
// over a whole segment: what an extract of everything touches again and again stays, what one flow touches is little.
// A block belongs to the open file that it was read from, and is never given to another one.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "storage/read/frame_reader.h"
#include "storage/read/segment_reader.h"

namespace gatetape {

class LiteralCache {
 public:
  explicit LiteralCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // The block of the segment's literals in which `position` lies, and where it begins; empty: missing or damaged.
  // It lives until the next call.
  std::span<const uint8_t> block_at(SegmentReader& segment, uint64_t position, uint64_t& block_position);
  // Gives up all blocks, and keeps their memory for others.
  void clear();

 private:
  struct Key {
    uint64_t reader;  // SegmentReader::id(): numbers, names and even uuids may occur twice among several stores
    uint64_t position;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return key.reader * 0x9e3779b97f4a7c15u ^ (key.position >> 12) * 0xc2b2ae3d27d4eb4fu;
    }
  };
  struct Block {
    Key key;
    uint8_t* bytes;
    size_t size;
    std::unique_ptr<uint8_t[]> owned;  // where it is larger than those of our own writer
  };
  struct Free {
    void operator()(uint8_t* slab) const;
  };
  using Slab = std::unique_ptr<uint8_t, Free>;

  bool load(SegmentReader& segment, uint32_t frame, uint64_t block_number, Block& out);
  void allocate(size_t size, Block& block);
  void give_up(Block& block);
  void make_room(size_t bytes);

  size_t bytes_max_;
  size_t bytes_ = 0;
  std::list<Block> blocks_;  // most recently used first
  std::unordered_map<Key, std::list<Block>::iterator, KeyHash> by_key_;
  Decompressor decompressor_;
  std::vector<uint8_t> stored_, header_;
  std::vector<Slab> slabs_;
  std::vector<uint8_t*> unused_;  // parts of slabs, for a block each
};

// The literals of one segment, through the cache. Keeps the block in use at hand: nobody else may use the cache as long
// as this one is in use.
class CachedLiterals : public LiteralSource {
 public:
  CachedLiterals(SegmentReader& segment, LiteralCache& cache) : segment_(segment), cache_(cache) {}
  bool read(uint64_t position, std::span<uint8_t> out) override;

 private:
  SegmentReader& segment_;
  LiteralCache& cache_;
  std::span<const uint8_t> block_;
  uint64_t block_position_ = 0;
};

}  // namespace gatetape
