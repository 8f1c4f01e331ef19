#include "capture/sources/record_file.h"

#include <algorithm>

namespace gatetape {
namespace {

constexpr size_t kReadBytesMin = 32 << 10;

}  // namespace

Result<ReadStatus> RecordFile::read(FileBurst& burst) {
  if (burst.arena.size() < rest_.size()) burst.arena.resize(rest_.size());
  std::copy(rest_.begin(), rest_.end(), burst.arena.begin());
  size_t end = rest_.size();
  rest_.clear();
  for (;;) {
    size_t position = 0;
    if (skip_bytes_ == 0) {
      if (auto taken = take_records(burst, end, position); !taken) return pass_on(taken);
      if (position > end) skip_bytes_ = position - end;
      position = std::min(position, end);
    }
    if (burst.count > 0) {
      rest_.assign(burst.arena.data() + position, burst.arena.data() + end);
      file_offset_ += position;
      read_bytes_ = std::clamp(position + position / 8, kReadBytesMin, burst.arena.size());
      return ReadStatus::kPackets;
    }
    if (position > 0) {  // records without a packet
      std::memmove(burst.arena.data(), burst.arena.data() + position, end - position);
      file_offset_ += position;
      end -= position;
    }
    if (!input_.ready(kPipeWaitMs)) {
      rest_.assign(burst.arena.data(), burst.arena.data() + end);
      return ReadStatus::kNothingYet;
    }
    if (skip_bytes_ > 0) {
      auto skipped = skip(burst);
      if (!skipped) return pass_on(skipped);
      if (!*skipped) return ends_early(burst, end);
      continue;
    }
    const size_t wanted = std::max(read_bytes_, record_bytes(burst.arena.data(), end));
    if (burst.arena.size() < wanted) burst.arena.resize(wanted);
    auto got = input_.read(burst.arena.data() + end, wanted - end);
    if (!got) return fail("{} (after packet {})", got.error().message, packets_);
    if (*got == 0 && input_.followed()) return fail("pcap:{}: became shorter while it was followed", name());
    if (*got == 0 && end == 0) return ReadStatus::kEnd;
    if (*got == 0) return ends_early(burst, end);
    end += *got;
  }
}

// Passes over some of the bytes to be skipped. Returns false at the end of the input. The arena is empty then.
Result<bool> RecordFile::skip(FileBurst& burst) {
  auto got = input_.read(burst.arena.data(), std::min<uint64_t>(skip_bytes_, burst.arena.size()));
  if (!got) return fail("{} (after packet {})", got.error().message, packets_);
  skip_bytes_ -= *got;
  file_offset_ += *got;
  return *got > 0;
}

tl::unexpected<Error> RecordFile::ends_early(const FileBurst& burst, size_t end) const {
  const uint64_t needed = skip_bytes_ > 0 ? skip_bytes_ : record_bytes(burst.arena.data(), end);
  const bool packet = skip_bytes_ == 0 && is_packet(burst.arena.data(), end);
  return fail("pcap:{}: truncated: {} {} at byte {} needs {} bytes, {} are there", name(),
              packet ? "packet" : "the block behind packet", packet ? packets_ + 1 : packets_, file_offset_, needed,
              end);
}

}  // namespace gatetape
