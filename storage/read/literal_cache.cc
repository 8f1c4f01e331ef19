#include "storage/read/literal_cache.h"

#include <algorithm>
#include <cstring>

namespace gatetape {

bool LiteralCache::load(SegmentReader& segment, uint32_t frame, uint64_t block_number, std::vector<uint8_t>& out) {
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
        !section_intact(section, stored_)) {
      segment.report_damage(at, "literals damaged");
      return false;
    }
    if (section.codec == Codec::kStored) {
      out = stored_;
      return true;
    }
    out.resize(section.raw_bytes);
    if (section.codec == Codec::kZstd && decompressor_.decompress(stored_, out)) return true;
    segment.report_damage(at, "literals do not decompress");
    return false;
  }
  segment.report_damage(at, "literals missing");
  return false;
}

void LiteralCache::make_room(size_t bytes) {
  while (bytes_ + bytes > bytes_max_ && !blocks_.empty()) {
    bytes_ -= blocks_.back().bytes.size();
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
    return blocks_.front().bytes;
  }
  std::vector<uint8_t> bytes;
  // A block that cannot be read is remembered as empty: damage is reported once.
  if (!load(segment, *frame, number, bytes)) bytes.clear();
  make_room(bytes.size());
  bytes_ += bytes.size();
  blocks_.push_front({key, std::move(bytes)});
  by_key_[key] = blocks_.begin();
  return blocks_.front().bytes;
}

bool CachedLiterals::read(uint64_t position, std::span<uint8_t> out) {
  while (!out.empty()) {
    uint64_t block_position = 0;
    const auto block = cache_.block_at(segment_, position, block_position);
    const uint64_t within = position - block_position;
    if (within >= block.size()) return false;
    const size_t n = std::min<size_t>(out.size(), block.size() - within);
    std::memcpy(out.data(), block.data() + within, n);
    out = out.subspan(n);
    position += n;
  }
  return true;
}

}  // namespace gatetape
