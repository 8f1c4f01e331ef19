#include "storage/format/account_file.h"

#include <algorithm>

#include "common/check.h"

namespace gatetape {
namespace {

constexpr char kMagic[9] = "GTACCNTS";
constexpr uint16_t kMajor = 1, kMinor = 0;
constexpr uint16_t kDroppedBit = kCounterNumberMax + 1;
constexpr size_t kSlotAlignment = 64;
constexpr size_t kWorkersMax = 1024, kWordsMax = 4096;
// Beside its counters a slot has its number, the beat, the state, the time, and its number again.
constexpr size_t kSlotWords = 5;

size_t aligned(size_t bytes) {
  return (bytes + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment;
}

std::vector<uint16_t> numbers_of(std::span<const CounterRow> table) {
  std::vector<uint16_t> numbers;
  for (const CounterRow& row : table) {
    numbers.push_back(static_cast<uint16_t>(row.number | (row.group == CounterGroup::kDropped ? kDroppedBit : 0)));
  }
  return numbers;
}

template <class Account>
void take_words(const std::vector<uint16_t>& numbers, ByteSource& in, Account& account) {
  const std::span<const CounterRow> table = account.table();
  for (const uint16_t number : numbers) {
    const auto value = in.get<uint64_t>();
    const auto row = std::ranges::find(table, number & kCounterNumberMax, &CounterRow::number);
    if (row != table.end()) {
      account.words()[static_cast<size_t>(row - table.begin())] = value;
    } else if constexpr (std::is_same_v<Account, WorkerAccount>) {
      if ((number & kDroppedBit) != 0) account[Counter::kDroppedUnknown] += value;
    }
  }
}

}  // namespace

AccountFileHeader AccountFileHeader::make() {
  AccountFileHeader header;
  header.worker_numbers = numbers_of(WorkerAccount::table());
  header.port_numbers = numbers_of(PortAccount::table());
  return header;
}

std::vector<uint8_t> AccountFileHeader::serialise() const {
  GT_CHECK(workers <= kWorkersMax);
  const size_t size =
      aligned(kFixedBytes + 2 * (worker_numbers.size() + port_numbers.size()) + earlier.size() + kChecksumBytes);
  GT_CHECK(size <= kBytesMax);
  ByteSink out;
  out.bytes(kMagic, 8);
  out.put(kMajor);
  out.put(kMinor);
  out.put(static_cast<uint32_t>(size));
  out.bytes(run_uuid);
  out.put(run_started_ns);
  out.put(static_cast<uint8_t>(of_file));
  out.zeros(1);
  out.put(workers);
  out.put(static_cast<uint16_t>(worker_numbers.size()));
  out.put(static_cast<uint16_t>(port_numbers.size()));
  out.put(static_cast<uint32_t>(earlier.size()));
  out.zeros(kFixedBytes - out.size());
  for (const uint16_t number : worker_numbers) out.put(number);
  for (const uint16_t number : port_numbers) out.put(number);
  out.bytes(earlier);
  out.zeros(size - kChecksumBytes - out.size());
  out.put(checksum(out.bytes()));
  return {out.data(), out.data() + out.size()};
}

Result<size_t> AccountFileHeader::size(std::span<const uint8_t> fixed) {
  ByteSource in(fixed);
  const auto magic = in.view(8);
  if (!in.ok() || std::memcmp(magic.data(), kMagic, 8) != 0) return fail("not an account file");
  const auto major = in.get<uint16_t>();
  in.get<uint16_t>();
  const size_t size = in.get<uint32_t>();
  if (!in.ok()) return fail("not an account file");
  if (major != kMajor) return fail("an account file of version {}, which this version does not know", major);
  if (size < kFixedBytes + kChecksumBytes || size > kBytesMax || size % kSlotAlignment != 0) {
    return fail("the header of the account file is damaged");
  }
  return size;
}

Result<AccountFileHeader> AccountFileHeader::parse(std::span<const uint8_t> bytes) {
  const Result<size_t> said = size(bytes.first(std::min(bytes.size(), kFixedBytes)));
  if (!said) return tl::unexpected<Error>(said.error());
  const auto damaged = [] { return fail("the header of the account file is damaged"); };
  if (bytes.size() != *said) return damaged();
  ByteSource end(bytes.last(kChecksumBytes));
  if (end.get<uint64_t>() != checksum(bytes.first(bytes.size() - kChecksumBytes))) return damaged();

  ByteSource in(bytes.first(bytes.size() - kChecksumBytes));
  AccountFileHeader header;
  in.view(16);
  in.bytes(header.run_uuid.data(), header.run_uuid.size());
  header.run_started_ns = in.get<int64_t>();
  header.of_file = in.get<uint8_t>() != 0;
  in.view(1);
  header.workers = in.get<uint16_t>();
  header.worker_numbers.resize(in.get<uint16_t>());
  header.port_numbers.resize(in.get<uint16_t>());
  const size_t earlier_bytes = in.get<uint32_t>();
  in.view(kFixedBytes - (bytes.size() - kChecksumBytes - in.remaining()));
  for (uint16_t& number : header.worker_numbers) number = in.get<uint16_t>();
  for (uint16_t& number : header.port_numbers) number = in.get<uint16_t>();
  const auto earlier = in.view(earlier_bytes);
  if (!in.ok() || header.workers > kWorkersMax || header.worker_numbers.size() > kWordsMax ||
      header.port_numbers.size() > kWordsMax) {
    return damaged();
  }
  header.earlier.assign(earlier.begin(), earlier.end());
  return header;
}

size_t AccountFileHeader::slot_bytes() const {
  return aligned(8 * (kSlotWords + worker_numbers.size() + port_numbers.size()));
}

uint64_t AccountFileHeader::slot_offset(size_t header_bytes, uint16_t worker, unsigned which) const {
  return header_bytes + (uint64_t{worker} * 2 + which) * slot_bytes();
}

void AccountSlot::serialise(const AccountFileHeader& header, ByteSink& out) const {
  GT_CHECK(header.worker_numbers.size() == WorkerAccount::table().size());
  GT_CHECK(header.port_numbers.size() == PortAccount::table().size());
  out.clear();
  out.put(number);
  out.put(beat_ns);
  out.put(uint64_t{ended});
  out.put(record.timestamp_ns);
  for (const uint64_t word : record.worker_account.words()) out.put(word);
  for (const uint64_t word : record.port_account.words()) out.put(word);
  out.zeros(header.slot_bytes() - sizeof number - out.size());
  out.put(number);
}

bool AccountSlot::parse(const AccountFileHeader& header, std::span<const uint8_t> bytes, AccountSlot& slot) {
  GT_CHECK(bytes.size() == header.slot_bytes());
  ByteSource in(bytes), end(bytes.last(sizeof slot.number));
  slot = {};
  slot.number = in.get<uint64_t>();
  if (end.get<uint64_t>() != slot.number) return false;
  slot.beat_ns = in.get<int64_t>();
  slot.ended = in.get<uint64_t>() != 0;
  slot.record.timestamp_ns = in.get<int64_t>();
  slot.record.run_started_ns = header.run_started_ns;
  slot.record.of_file = header.of_file;
  take_words(header.worker_numbers, in, slot.record.worker_account);
  take_words(header.port_numbers, in, slot.record.port_account);
  return in.ok();
}

}  // namespace gatetape
