#include "storage/read/account_file_reader.h"

#include <algorithm>
#include <array>
#include <atomic>

namespace gatetape {

Result<AccountFileReader> AccountFileReader::open(FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/" + kAccountFileName;
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  std::vector<uint8_t> bytes(AccountFileHeader::kFixedBytes);
  Result<size_t> got = (*file)->read_at(0, bytes);
  if (!got) return pass_on(got);
  const Result<size_t> size = AccountFileHeader::size(std::span(bytes).first(*got));
  if (!size) return fail("{}: {}", path, size.error().message);
  bytes.resize(*size);
  got = (*file)->read_at(0, bytes);
  if (!got) return pass_on(got);
  auto header = AccountFileHeader::parse(std::span(bytes).first(*got));
  if (!header) return fail("{}: {}", path, header.error().message);
  return AccountFileReader(std::move(*file), path, std::move(*header), *size);
}

Result<void> AccountFileReader::read_exactly(uint64_t offset, std::span<uint8_t> out) {
  const Result<size_t> got = file_->read_at(offset, out);
  if (!got) return tl::unexpected<Error>(got.error());
  if (*got != out.size()) return fail("{}: cut short", path_);
  return {};
}

// A slot whose numbers agree is whole, unless the recorder wrote it while it was read: then it begins with another
// number by now. The recorder writes the other slot first, so that a few rounds always suffice.
Result<AccountSlot> AccountFileReader::newest(uint16_t worker) {
  constexpr int kRounds = 100;
  const size_t size = header_.slot_bytes();
  std::vector<uint8_t> bytes(2 * size);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t offset = header_.slot_offset(header_bytes_, worker, 0);
    if (auto read = read_exactly(offset, bytes); !read) return pass_on(read);
    AccountSlot newest;
    unsigned newest_which = 0;
    bool whole = false;
    for (const unsigned which : {0u, 1u}) {
      AccountSlot slot;
      if (!AccountSlot::parse(header_, std::span(bytes).subspan(which * size, size), slot)) continue;
      if (whole && slot.number <= newest.number) continue;
      newest = slot;
      newest_which = which;
      whole = true;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    std::array<uint8_t, sizeof newest.number> again;
    if (auto read = read_exactly(header_.slot_offset(header_bytes_, worker, newest_which), again); !read)
      return pass_on(read);
    if (whole && ByteSource(again).get<uint64_t>() == newest.number) {
      newest.record.worker = worker;
      return newest;
    }
  }
  return fail("{}: the account of worker {} is damaged", path_, worker);
}

Result<AccountFileReader::State> AccountFileReader::read() {
  State state;
  state.ended = header_.workers != 0;
  for (uint16_t worker = 0; worker < header_.workers; ++worker) {
    Result<AccountSlot> slot = newest(worker);
    if (!slot) return pass_on(slot);
    state.ended = state.ended && slot->ended;
    if (slot->number == 0) continue;
    state.beat_ns = std::max(state.beat_ns, slot->beat_ns);
    if (slot->record.timestamp_ns != INT64_MIN) state.accounts.push_back(slot->record);
  }
  return state;
}

}  // namespace gatetape
