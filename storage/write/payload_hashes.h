// SHA-256 of payloads, not computed twice for one that repeats: where all of a payload is one piece of the segment's
// literals, the place and the length name its content, so a hash remembered under them is right without looking again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/sha256.h"
#include "storage/write/lazy_memory.h"
#include "storage/write/repeat_finder.h"

namespace gatetape {

class PayloadHashes {
 public:
  // One remembered hash per `literal_bytes_per_entry` of memory; the newest wins a place.
  explicit PayloadHashes(size_t literal_memory_bytes);

  void start_segment();

  struct Payload {
    uint32_t begin, end;  // in the frame's payload stream
    const uint8_t* data;
    uint8_t* digest;  // where the hash goes
  };
  // Payloads rising and apart; `operations` make up the stream, its first literal is at `literal_position`.
  void hash(std::span<const Payload> payloads, std::span<const PayloadOperation> operations, uint64_t literal_position);

 private:
  struct Entry {
    uint64_t position;
    uint64_t length;  // 0: empty
    Sha256Digest digest;
  };
  struct Unknown {
    Entry* entry;  // to remember it in, or nullptr
    uint64_t position;
    uint32_t length;
    const uint8_t* digest;
  };
  Entry& entry_for(uint64_t position, uint32_t length) const;

  LazyMemory<Entry> entries_;
  std::vector<Sha256Job> jobs_;
  std::vector<Unknown> unknown_;
};

}  // namespace gatetape
