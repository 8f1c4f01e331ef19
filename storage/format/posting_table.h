// Sorted keys of one size, each with the frames that hold it (FORMAT.md, posting table). Lookups read the fences and
// one block, not the table.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "storage/format/compression.h"

namespace gatetape {

// Frame numbers, rising, each once.
using Postings = std::vector<uint32_t>;

class PostingTableBuilder {
 public:
  explicit PostingTableBuilder(size_t key_bytes) : key_bytes_(key_bytes) {}
  void add(std::span<const uint8_t> key, uint32_t frame);  // in any order, repeats are fine
  void serialise(Compressor& compressor, ByteSink& out);

  static constexpr size_t kKeyBytesMax = 16;

 private:
  struct Entry {
    uint8_t key[kKeyBytesMax];
    uint32_t frame;
  };
  void append_block(std::span<const Entry> entries, ByteSink& out) const;

  size_t key_bytes_;
  std::vector<Entry> entries_;
};

class PostingTable {
 public:
  // Reads `bytes` bytes at `offset` of the section; false when they are not there.
  using Read = std::function<bool(uint64_t offset, std::span<uint8_t> out)>;

  // The limits of a table. A forged one can ask for no more memory than its segment's size warrants.
  struct Bounds {
    size_t section_bytes = 0;
    uint32_t frames = 0;         // the segment's
    uint64_t segment_bytes = 0;  // its file's size
  };

  // False: damaged, beyond its bounds, or not of that key size.
  bool open(Read read, const Bounds& bounds, size_t key_bytes);
  // The frames of all keys in [first, last], rising, each once; false: damaged.
  bool find(std::span<const uint8_t> first, std::span<const uint8_t> last, Postings& frames);

 private:
  struct Block {
    std::array<uint8_t, PostingTableBuilder::kKeyBytesMax> first_key;
    uint32_t offset, stored_bytes, raw_bytes;
    bool compressed;
    uint64_t checksum;
  };
  bool read_fence(ByteSource& in, size_t blocks_at, const Bounds& bounds);
  bool load(const Block& block);
  bool find_in(const Block& block, std::span<const uint8_t> first, std::span<const uint8_t> last);

  Read read_;
  size_t key_bytes_ = 0;
  uint32_t frames_ = 0;
  uint64_t raw_bytes_ = 0;   // all blocks' together
  std::vector<bool> found_;  // by frame
  std::vector<Block> blocks_;
  std::vector<uint8_t> stored_, raw_;
  std::span<const uint8_t> block_;
  Decompressor decompressor_;
};

// Makes it rising and free of repeats.
void normalise(Postings& postings);
Postings intersection(const Postings& a, const Postings& b);

}  // namespace gatetape
