// A posting table: the bytes as they are, and as the one block of a table whose fences and checksums are right.
#include <cstdint>
#include <cstring>

#include "storage/format/format.h"
#include "storage/format/posting_table.h"

using namespace gatetape;

namespace {

void look_up(std::span<const uint8_t> table, size_t key_bytes) {
  PostingTable posting_table;
  auto read = [table](uint64_t offset, std::span<uint8_t> out) {
    if (offset > table.size() || out.size() > table.size() - offset) return false;
    if (!out.empty()) std::memcpy(out.data(), table.data() + offset, out.size());
    return true;
  };
  if (!posting_table.open(read, {table.size(), 1000, table.size()}, key_bytes)) return;
  Postings frames;
  const uint8_t first[16] = {}, last[16] = {255, 255};
  (void)posting_table.find({first, key_bytes}, {last, key_bytes}, frames);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint32_t kKeyBytes = 2;
  const std::span<const uint8_t> bytes(data, size);
  look_up(bytes, kKeyBytes);
  ByteSink fences, table;
  fences.put(uint16_t{0});
  fences.put(uint32_t{0});
  fences.put(static_cast<uint32_t>(size));
  fences.put(static_cast<uint32_t>(size));
  fences.put(checksum(bytes));
  table.put(kKeyBytes);
  table.put(uint32_t{1});
  table.put(uint32_t{1});
  table.put(checksum(fences.bytes()));
  table.bytes(fences.bytes());
  table.bytes(bytes);
  look_up(table.bytes(), kKeyBytes);
  return 0;
}
