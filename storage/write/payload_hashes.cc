#include "storage/write/payload_hashes.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace gatetape {

PayloadHashes::PayloadHashes(size_t literal_memory_bytes)
    : entries_(std::bit_floor(std::max<size_t>(literal_memory_bytes / 1024, 1))) {}

void PayloadHashes::start_segment() {
  entries_.clear();
}

PayloadHashes::Entry& PayloadHashes::entry_for(uint64_t position, uint32_t length) const {
  const uint64_t mixed = (position * 0x9e3779b97f4a7c15u) ^ (uint64_t{length} * 0xc2b2ae3d27d4eb4fu);
  return entries_[(mixed >> 20) & (entries_.size() - 1)];
}

void PayloadHashes::hash(std::span<const Payload> payloads, std::span<const PayloadOperation> operations,
                         uint64_t literal_position) {
  jobs_.clear();
  unknown_.clear();
  // The pieces of the stream, walked beside the payloads: [begin, end) lies at `position` among the literals.
  size_t next = 0;
  uint64_t begin = 0, end = 0, position = 0, literals = literal_position, reference_bytes = 0, reference = 0;
  auto next_piece = [&] {
    begin = end;
    if (reference_bytes != 0) {
      position = reference;
      end += reference_bytes;
      reference_bytes = 0;
      return;
    }
    const PayloadOperation& operation = operations[next++];
    position = literals;
    literals += operation.literal_bytes;
    end += operation.literal_bytes;
    reference_bytes = operation.reference_bytes;
    reference = operation.position;
  };
  for (const Payload& payload : payloads) {
    while (end <= payload.begin) next_piece();
    const uint32_t length = payload.end - payload.begin;
    Entry* entry = nullptr;
    const uint64_t at = position + (payload.begin - begin);
    if (payload.end <= end) {
      entry = &entry_for(at, length);
      if (entry->position == at && entry->length == length) {
        std::memcpy(payload.digest, entry->digest.data(), entry->digest.size());
        continue;
      }
    }
    jobs_.push_back({payload.data, length, payload.digest});
    unknown_.push_back({entry, at, length, payload.digest});
  }
  sha256(jobs_);
  for (const Unknown& known : unknown_) {
    if (known.entry == nullptr) continue;
    known.entry->position = known.position;
    known.entry->length = known.length;
    std::memcpy(known.entry->digest.data(), known.digest, known.entry->digest.size());
  }
}

}  // namespace gatetape
