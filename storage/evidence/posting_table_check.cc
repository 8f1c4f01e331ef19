#include "storage/evidence/posting_table_check.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "storage/format/byte_order.h"
#include "storage/format/compression.h"

namespace gatetape {
namespace {

// All blocks unpacked, one after another. Nothing: damaged, bytes that no fence leads to, or more than `plain_max` of
// them.
std::optional<std::vector<uint8_t>> unpacked(std::span<const uint8_t> table, size_t plain_max) {
  constexpr uint32_t kCompressed = 1u << 31;
  ByteSource in(table);
  const auto key_bytes = in.get<uint32_t>(), entries = in.get<uint32_t>(), blocks = in.get<uint32_t>();
  const auto stated = in.get<uint64_t>();
  const auto fence_bytes = uint64_t{blocks} * (uint64_t{key_bytes} + 20);
  if (!in.ok() || key_bytes > 16 || fence_bytes > in.remaining()) return std::nullopt;
  const auto fences = in.view(fence_bytes);
  if (checksum(fences) != stated) return std::nullopt;
  std::vector<uint8_t> plain(sizeof key_bytes + sizeof entries);
  std::memcpy(plain.data(), &key_bytes, sizeof key_bytes);
  std::memcpy(plain.data() + sizeof key_bytes, &entries, sizeof entries);
  Decompressor decompressor;
  ByteSource fence(fences);
  uint64_t expected = 0;
  for (uint32_t i = 0; i < blocks; i++) {
    const auto first_key = fence.view(key_bytes);
    const auto offset = fence.get<uint32_t>(), size = fence.get<uint32_t>(), raw_bytes = fence.get<uint32_t>();
    const auto sum = fence.get<uint64_t>();
    const auto stored = in.view(size & ~kCompressed);
    if (!in.ok() || offset != expected || checksum(stored) != sum || raw_bytes > plain_max - plain.size()) {
      return std::nullopt;
    }
    expected += stored.size();
    const size_t begin = plain.size();
    if (size & kCompressed) {
      plain.resize(begin + raw_bytes);
      if (!decompressor.decompress(stored, std::span(plain).subspan(begin))) return std::nullopt;
    } else if (stored.size() == raw_bytes) {
      plain.insert(plain.end(), stored.begin(), stored.end());
    } else {
      return std::nullopt;
    }
    if (raw_bytes < key_bytes || !std::equal(first_key.begin(), first_key.end(), plain.begin() + begin)) {
      return std::nullopt;
    }
  }
  if (!in.at_end()) return std::nullopt;
  return plain;
}

}  // namespace

bool same_postings(SectionType type, std::span<const uint8_t> a, std::span<const uint8_t> b) {
  if (type < SectionType::kHosts || type > SectionType::kUnindexedFrames) return false;
  const auto plain_b = unpacked(b, kIndexSectionBytesMax);
  if (!plain_b) return false;
  const auto plain_a = unpacked(a, plain_b->size());
  return plain_a && *plain_a == *plain_b;
}

}  // namespace gatetape
