#include "storage/read/literal_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace gatetape {
namespace {

constexpr size_t kSlabBytes = 2 << 20;  // a huge page, where the system gives them
static_assert(kSlabBytes % kLiteralBlockBytes == 0);

}  // namespace

void LiteralCache::Free::operator()(uint8_t* slab) const {
  std::free(slab);
}

// Memory is handed on from block to block: fresh one costs more than what is unpacked into it.
void LiteralCache::allocate(size_t size, Block& block) {
  block.size = size;
  if (size > kLiteralBlockBytes) {
    block.owned = std::make_unique_for_overwrite<uint8_t[]>(size);
    block.bytes = block.owned.get();
    return;
  }
  if (unused_.empty()) {
    Slab slab(static_cast<uint8_t*>(std::aligned_alloc(kSlabBytes, kSlabBytes)));
    if (slab == nullptr) throw std::bad_alloc();
    (void)::madvise(slab.get(), kSlabBytes, MADV_HUGEPAGE);  // a system without them does without
    for (size_t at = kSlabBytes; at != 0; at -= kLiteralBlockBytes)
      unused_.push_back(slab.get() + at - kLiteralBlockBytes);
    slabs_.push_back(std::move(slab));
  }
  block.bytes = unused_.back();
  unused_.pop_back();
}

void LiteralCache::give_up(Block& block) {
  bytes_ -= block.size;
  if (block.bytes != nullptr && block.owned == nullptr) unused_.push_back(block.bytes);
}

void LiteralCache::clear() {
  for (Block& block : blocks_) give_up(block);
  blocks_.clear();
  by_key_.clear();
}

bool LiteralCache::load(SegmentReader& segment, uint32_t frame, uint64_t block_number, Block& out) {
  FrameHeader header;
  if (!segment.read_frame(frame, 0, header, header_)) return false;
  const FrameEntry& entry = segment.frames()[frame];
  uint64_t at = entry.offset + entry.header_bytes;
  uint64_t number = 0;
  for (const Section& section : header.sections) {
    if (section.type != SectionType::kLiterals || number++ != block_number) {
      at += section.stored_bytes;
      continue;
    }
    stored_.resize(section.stored_bytes);
    if (section.raw_bytes > segment.header().literal_block_bytes || !segment.read_bytes(at, stored_) ||
        (!section_intact(section, stored_) && !segment.repair_section(at, section, stored_))) {
      segment.report_damage(at, "literals damaged");
      return false;
    }
    if (section.codec == Codec::kStored) {
      allocate(stored_.size(), out);
      std::memcpy(out.bytes, stored_.data(), stored_.size());
      return true;
    }
    allocate(section.raw_bytes, out);
    if (section.codec == Codec::kZstd && decompressor_.decompress(stored_, {out.bytes, out.size})) return true;
    segment.report_damage(at, "literals do not decompress");
    return false;
  }
  segment.report_damage(at, "literals missing");
  return false;
}

void LiteralCache::make_room(size_t bytes) {
  while (bytes_ + bytes > bytes_max_ && !blocks_.empty()) {
    give_up(blocks_.back());
    by_key_.erase(blocks_.back().key);
    blocks_.pop_back();
  }
}

std::span<const uint8_t> LiteralCache::block_at(SegmentReader& segment, uint64_t position, uint64_t& block_position) {
  const auto frame = segment.frame_with_literal(position);
  if (!frame) return {};
  const uint64_t frame_position = segment.frames()[*frame].literal_position;
  const uint32_t block_bytes = segment.header().literal_block_bytes;
  const uint64_t number = (position - frame_position) / block_bytes;
  block_position = frame_position + number * block_bytes;
  const Key key{segment.id(), block_position};
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    blocks_.splice(blocks_.begin(), blocks_, known->second);
    return {blocks_.front().bytes, blocks_.front().size};
  }
  make_room(std::min<size_t>(block_bytes, kSectionBytesMax));
  Block block{key, nullptr, 0, nullptr};
  const bool loaded = load(segment, *frame, number, block);
  bytes_ += block.size;
  // A block that cannot be read is remembered as empty: damage is reported once.
  if (!loaded) give_up(block), block = {key, nullptr, 0, nullptr};
  blocks_.push_front(std::move(block));
  by_key_[key] = blocks_.begin();
  return {blocks_.front().bytes, blocks_.front().size};
}

bool CachedLiterals::read(uint64_t position, std::span<uint8_t> out) {
  while (!out.empty()) {
    if (position < block_position_ || position - block_position_ >= block_.size()) {
      block_ = cache_.block_at(segment_, position, block_position_);
    }
    const uint64_t within = position - block_position_;
    if (within >= block_.size()) return false;
    const size_t n = std::min<size_t>(out.size(), block_.size() - within);
    std::memcpy(out.data(), block_.data() + within, n);
    out = out.subspan(n);
    position += n;
  }
  return true;
}

}  // namespace gatetape
