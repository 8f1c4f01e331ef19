#include "storage/format/posting_table.h"

#include <algorithm>
#include <cstring>

#include "common/check.h"
#include "storage/format/format.h"

namespace gatetape {
namespace {

constexpr size_t kBlockEntries = 512;  // (key, frame) pairs, about
constexpr uint32_t kCompressedBit = 1u << 31;

}  // namespace

void PostingTableBuilder::add(std::span<const uint8_t> key, uint32_t frame) {
  GT_CHECK(key.size() == key_bytes_ && key_bytes_ <= kKeyBytesMax);
  Entry entry{};
  std::memcpy(entry.key, key.data(), key.size());
  entry.frame = frame;
  entries_.push_back(entry);
}

void PostingTableBuilder::append_block(std::span<const Entry> entries, ByteSink& out) const {
  for (size_t i = 0; i < entries.size();) {
    size_t end = i;
    while (end < entries.size() && std::memcmp(entries[end].key, entries[i].key, key_bytes_) == 0) end++;
    out.bytes(entries[i].key, key_bytes_);
    out.varint(end - i);
    uint32_t previous = 0;
    for (; i < end; i++) {
      out.varint(entries[i].frame - previous);
      previous = entries[i].frame;
    }
  }
}

void PostingTableBuilder::serialise(Compressor& compressor, ByteSink& out) {
  auto before = [](const Entry& a, const Entry& b) {
    const int order = std::memcmp(a.key, b.key, kKeyBytesMax);
    return order != 0 ? order < 0 : a.frame < b.frame;
  };
  auto same = [](const Entry& a, const Entry& b) {
    return a.frame == b.frame && std::memcmp(a.key, b.key, kKeyBytesMax) == 0;
  };
  std::sort(entries_.begin(), entries_.end(), before);
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());

  ByteSink fences, blocks, raw;
  uint32_t block_count = 0;
  for (size_t begin = 0; begin < entries_.size();) {
    size_t end = std::min(begin + kBlockEntries, entries_.size());
    // A key's frames stay in one block.
    while (end < entries_.size() && std::memcmp(entries_[end].key, entries_[end - 1].key, key_bytes_) == 0) end++;
    raw.clear();
    append_block(std::span(entries_).subspan(begin, end - begin), raw);
    const size_t offset = blocks.size();
    const bool compressed = compressor.compress(raw.bytes(), blocks);
    if (!compressed) blocks.bytes(raw.bytes());
    const auto stored = static_cast<uint32_t>(blocks.size() - offset);
    fences.bytes(entries_[begin].key, key_bytes_);
    fences.put(static_cast<uint32_t>(offset));
    fences.put(stored | (compressed ? kCompressedBit : 0));
    fences.put(static_cast<uint32_t>(raw.size()));
    fences.put(checksum({blocks.data() + offset, stored}));
    block_count++;
    begin = end;
  }
  out.put(static_cast<uint32_t>(key_bytes_));
  out.put(static_cast<uint32_t>(entries_.size()));
  out.put(block_count);
  out.put(checksum(fences.bytes()));
  out.bytes(fences.bytes());
  out.bytes(blocks.bytes());
}

bool PostingTable::open(Read read, const Bounds& bounds, size_t key_bytes) {
  constexpr size_t kFixedBytes = 20, kFenceBytes = 20;
  blocks_.clear();
  raw_bytes_ = 0;
  read_ = std::move(read);
  key_bytes_ = key_bytes;
  frames_ = bounds.frames;
  uint8_t fixed[kFixedBytes];
  if (bounds.section_bytes < kFixedBytes || !read_(0, fixed)) return false;
  ByteSource in(fixed);
  const auto stated_key_bytes = in.get<uint32_t>();
  in.get<uint32_t>();
  const auto count = in.get<uint32_t>();
  const auto stated_checksum = in.get<uint64_t>();
  const size_t fence_bytes = size_t{count} * (key_bytes + kFenceBytes);
  if (stated_key_bytes != key_bytes || key_bytes > PostingTableBuilder::kKeyBytesMax ||
      fence_bytes > bounds.section_bytes - kFixedBytes) {
    return false;
  }
  std::vector<uint8_t> fences(fence_bytes);
  if (!read_(kFixedBytes, fences) || checksum(fences) != stated_checksum) return false;
  in = ByteSource(fences);
  blocks_.reserve(count);
  for (uint32_t i = 0; i < count; i++) {
    if (!read_fence(in, kFixedBytes + fence_bytes, bounds)) return false;
  }
  return in.ok();
}

// Blocks follow each other in the order of their keys and share no byte. One holds some 512 entries, or a key's frames.
// All of them together are in proportion to the segment: an entry stands for a lane in one of its frames.
bool PostingTable::read_fence(ByteSource& in, size_t blocks_at, const Bounds& bounds) {
  constexpr uint64_t kEntryBytesMax = PostingTableBuilder::kKeyBytesMax + 2 * 5;  // a key and two varints
  constexpr uint64_t kRawBytesAlways = 1 << 20, kRawBytesPerByte = 32;
  Block block{};
  const auto key = in.view(key_bytes_);
  std::copy(key.begin(), key.end(), block.first_key.begin());
  block.offset = in.get<uint32_t>();
  const auto stored = in.get<uint32_t>();
  block.stored_bytes = stored & ~kCompressedBit;
  block.compressed = (stored & kCompressedBit) != 0;
  block.raw_bytes = in.get<uint32_t>();
  block.checksum = in.get<uint64_t>();
  const size_t blocks_bytes = bounds.section_bytes - blocks_at;
  if (!in.ok() || block.offset > blocks_bytes || block.stored_bytes > blocks_bytes - block.offset) return false;
  if (block.raw_bytes > (kBlockEntries + uint64_t{frames_}) * kEntryBytesMax) return false;
  block.offset += static_cast<uint32_t>(blocks_at);
  if (!blocks_.empty()) {
    const Block& before = blocks_.back();
    if (block.offset < before.offset + before.stored_bytes || before.first_key >= block.first_key) return false;
  }
  raw_bytes_ += block.raw_bytes;
  if (raw_bytes_ > kRawBytesAlways + kRawBytesPerByte * bounds.segment_bytes) return false;
  blocks_.push_back(block);
  return true;
}

bool PostingTable::load(const Block& block) {
  stored_.resize(block.stored_bytes);
  if (!read_(block.offset, stored_) || checksum(stored_) != block.checksum) return false;
  block_ = stored_;
  if (!block.compressed) return block.raw_bytes == block.stored_bytes;
  raw_.resize(block.raw_bytes);
  block_ = raw_;
  return decompressor_.decompress(stored_, raw_);
}

// Marks the frames of the block's keys in [first, last] in found_.
bool PostingTable::find_in(const Block& block, std::span<const uint8_t> first, std::span<const uint8_t> last) {
  ByteSource in(block_);
  std::span<const uint8_t> previous;
  while (!in.at_end()) {
    const auto key = in.view(key_bytes_);
    const uint64_t count = in.varint();
    if (!in.ok() || count > in.remaining() || count > frames_) return false;
    const bool in_order = previous.empty() ? std::equal(key.begin(), key.end(), block.first_key.begin())
                                           : std::memcmp(previous.data(), key.data(), key_bytes_) < 0;
    if (!in_order) return false;
    previous = key;
    const bool wanted =
        std::memcmp(key.data(), first.data(), key_bytes_) >= 0 && std::memcmp(key.data(), last.data(), key_bytes_) <= 0;
    uint64_t frame = 0;
    for (uint64_t i = 0; i < count; i++) {
      const uint64_t difference = in.varint();
      if (difference >= frames_ - frame || (i != 0 && difference == 0)) return false;
      frame += difference;
      if (wanted) found_[frame] = true;
    }
    if (!in.ok()) return false;
  }
  return true;
}

bool PostingTable::find(std::span<const uint8_t> first, std::span<const uint8_t> last, Postings& frames) {
  // The last block that begins at or before `first`, and those after it that begin at or before `last`.
  auto block =
      std::upper_bound(blocks_.begin(), blocks_.end(), first, [&](std::span<const uint8_t> key, const Block& b) {
        return std::memcmp(key.data(), b.first_key.data(), key_bytes_) < 0;
      });
  if (block != blocks_.begin()) --block;
  found_.assign(frames_, false);
  for (; block != blocks_.end() && std::memcmp(block->first_key.data(), last.data(), key_bytes_) <= 0; ++block) {
    if (!load(*block) || !find_in(*block, first, last)) return false;
  }
  frames.clear();
  for (uint32_t frame = 0; frame < frames_; frame++) {
    if (found_[frame]) frames.push_back(frame);
  }
  return true;
}

void normalise(Postings& postings) {
  std::sort(postings.begin(), postings.end());
  postings.erase(std::unique(postings.begin(), postings.end()), postings.end());
}

Postings intersection(const Postings& a, const Postings& b) {
  Postings both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace gatetape
