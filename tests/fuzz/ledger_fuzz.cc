// A ledger: the bytes as a whole file, and as entries (type, flags, length, body) whose headers and checksums are
// right. What is read must end, and what an entry says must be the same after it was written again.
#include <cstdint>
#include <string>

#include "common/check.h"
#include "storage/evidence/ledger_reader.h"
#include "storage/format/byte_order.h"
#include "tests/support/simulated_files.h"

using namespace gatetape;

namespace {

void read_to_end(std::span<const uint8_t> file) {
  test::SimulatedFiles files;
  {
    GT_CHECK(files.make_directories("/store"));
    auto made = files.create("/store/ledger");
    GT_CHECK(made && (*made)->write_at(0, file));
  }
  uint64_t end = 0;
  auto reader = LedgerReader::open(files, "/store/ledger");
  LedgerEntry entry;
  for (auto next = LedgerReader::Next::kEntry; reader;) {
    next = reader->next(entry);
    GT_CHECK(next != LedgerReader::Next::kUnreadable);
    if (next == LedgerReader::Next::kEnd || next == LedgerReader::Next::kTorn) break;
    GT_CHECK(reader->offset() >= end && reader->next_offset() > reader->offset());
    end = reader->next_offset();
    GT_CHECK(end <= file.size());
    if (next != LedgerReader::Next::kEntry || std::holds_alternative<std::monostate>(entry.content)) continue;
    LedgerContent again;
    GT_CHECK(parse(entry.header.type, serialise(entry.content), again));
    GT_CHECK(again == entry.content);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  read_to_end({data, size});
  const LedgerHeader ledger;
  ByteSink file, entry;
  file.bytes(ledger.serialise());
  ByteSource in({data, size});
  while (in.remaining() >= 4) {
    LedgerEntryHeader header;
    header.type = static_cast<LedgerType>(in.get<uint8_t>());
    header.flags = in.get<uint8_t>();
    header.body_bytes = static_cast<uint32_t>(std::min<size_t>(in.get<uint16_t>(), in.remaining()));
    const uint64_t seed = ledger_seed(ledger.store_uuid, file.size());
    entry.clear();
    entry.bytes(header.serialise(seed));
    entry.bytes(in.view(header.body_bytes));
    entry.put(ledger_checksum(entry.bytes(), seed));
    file.bytes(entry.bytes());
  }
  read_to_end(file.bytes());
  return 0;
}
