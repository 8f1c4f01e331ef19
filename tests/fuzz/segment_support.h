// For fuzz targets of whole segments: a file that a forger wrote, with every checksum right, so that what stands behind
// the checksums is reached.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "storage/format/format.h"
#include "storage/format/sealing.h"

namespace gatetape::fuzz {

template <class T>
T number_at(std::span<const uint8_t> bytes, size_t at) {
  T number{};
  if (at <= bytes.size() && bytes.size() - at >= sizeof number) std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

template <class T>
void set_number(std::span<uint8_t> bytes, size_t at, T number) {
  if (at <= bytes.size() && bytes.size() - at >= sizeof number) std::memcpy(bytes.data() + at, &number, sizeof number);
}

// The last eight bytes of a header become the checksum of those before.
inline void mend_header(std::span<uint8_t> bytes, size_t at, size_t header_bytes) {
  if (header_bytes < 2 * kChecksumBytes || at > bytes.size() || bytes.size() - at < header_bytes) return;
  const uint64_t sum = checksum(bytes.subspan(at, header_bytes - kChecksumBytes));
  set_number(bytes, at + header_bytes - kChecksumBytes, sum);
}

// The fences of a posting table (storage/format/posting_table.h), and its blocks.
inline void mend_posting_table(std::span<uint8_t> table) {
  constexpr size_t kHead = 20, kBehindKey = 20;
  const auto key_bytes = number_at<uint32_t>(table, 0);
  const auto fences = number_at<uint32_t>(table, 8);
  if (table.size() < kHead || key_bytes > 64 || fences > table.size() / kBehindKey) return;
  const size_t row = key_bytes + kBehindKey, blocks = kHead + fences * row;
  if (blocks > table.size()) return;
  for (size_t i = 0; i < fences; i++) {
    const size_t at = kHead + i * row + key_bytes;
    const uint64_t offset = blocks + number_at<uint32_t>(table, at);
    const uint64_t stored = number_at<uint32_t>(table, at + 4) & 0x7fffffffu;
    if (offset + stored <= table.size()) set_number(table, at + 12, checksum(table.subspan(offset, stored)));
  }
  set_number(table, 12, checksum(table.subspan(kHead, blocks - kHead)));
}

// One frame's sections, then its header. Returns the bytes that it says it has; 0: its header is none.
inline uint64_t mend_frame(std::span<uint8_t> bytes, size_t at, uint64_t segment) {
  const auto header_bytes = number_at<uint32_t>(bytes, at + 8);
  const auto sections = number_at<uint16_t>(bytes, at + 14);
  if (header_bytes < frame_header_bytes(sections) || header_bytes > bytes.size() - at) return 0;
  set_number(bytes, at + 16, segment);
  uint64_t end = at + header_bytes;
  for (size_t i = 0; i < sections; i++) {
    const size_t entry = at + kFrameHeaderFixedBytes + i * kSectionEntryBytes;
    const auto stored = number_at<uint32_t>(bytes, entry + 4);
    if (stored > bytes.size() || end > bytes.size() - stored) break;
    const auto section = bytes.subspan(end, stored);
    if (number_at<uint16_t>(bytes, entry) >= static_cast<uint16_t>(SectionType::kHosts)) mend_posting_table(section);
    set_number(bytes, entry + 16, checksum(section));
    end += stored;
  }
  mend_header(bytes, at, header_bytes);
  return end - at;
}

inline void mend_segment(std::span<uint8_t> bytes) {
  const auto stated = number_at<uint32_t>(bytes, 12);
  mend_header(bytes, 0, stated);
  size_t needed = 0;
  const auto header = SegmentHeader::parse(bytes, needed);
  if (!header) return;
  size_t at = needed;
  while (at < bytes.size()) {
    const void* next = memmem(bytes.data() + at, bytes.size() - at, kFrameMagic, 8);
    if (next == nullptr) break;
    at = static_cast<size_t>(static_cast<const uint8_t*>(next) - bytes.data());
    at += std::max<uint64_t>(mend_frame(bytes, at, segment_id(header->uuid)), 8);
  }
  if (bytes.size() >= Trailer::kBytes) {
    set_number(bytes, bytes.size() - 16, uint64_t{bytes.size()});
    mend_header(bytes, bytes.size() - Trailer::kBytes, Trailer::kBytes);
  }
}

}  // namespace gatetape::fuzz
