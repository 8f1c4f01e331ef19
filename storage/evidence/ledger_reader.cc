#include "storage/evidence/ledger_reader.h"

#include <algorithm>
#include <cstring>

namespace gatetape {
namespace {

constexpr size_t kWindowBytes = 256 << 10;

bool all_zero(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

Result<LedgerReader> LedgerReader::open(FileSystem& files, const std::string& path) {
  const auto status = files.status(path);
  if (!status) return tl::unexpected(status.error());
  // Opening a pipe would wait for somebody to write to it.
  if (status->kind != FileStatus::Kind::kRegular) return fail("{}: not a regular file", path);
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  std::array<uint8_t, LedgerHeader::kBytes> bytes;
  const auto got = (*file)->read_at(0, bytes);
  if (!got) return tl::unexpected<Error>(got.error());
  const auto header = LedgerHeader::parse(std::span(bytes).first(*got));
  if (!header) return fail("{}: {}", path, header.error().message);
  return LedgerReader(std::move(*file), *header);
}

Result<std::span<const uint8_t>> LedgerReader::bytes(uint64_t offset, size_t size) {
  if (offset < window_begin_ || offset + size > window_begin_ + window_.size()) {
    window_.resize(std::max(size, kWindowBytes));
    const auto got = file_->read_at(offset, window_);
    window_begin_ = offset;
    window_.resize(got ? *got : 0);
    if (!got) return tl::unexpected<Error>(got.error());
  }
  const size_t at = std::min<size_t>(offset - window_begin_, window_.size());
  return std::span<const uint8_t>(window_).subspan(at, std::min(size, window_.size() - at));
}

LedgerReader::Next LedgerReader::damaged(uint64_t next_offset, std::string problem) {
  next_ = next_offset;
  problem_ = std::move(problem);
  maybe_unwritten_ = has_unwritten_part(next_offset);
  return Next::kDamaged;
}

// A sector that was not written reads as zeros. So many in a row occur in no entry.
bool LedgerReader::has_unwritten_part(uint64_t end) {
  constexpr size_t kZeros = 40;
  const auto part = bytes(begin_, std::min<uint64_t>(end - begin_, kWindowBytes));
  if (!part) return false;
  return std::search_n(part->begin(), part->end(), kZeros, uint8_t{0}) != part->end();
}

LedgerReader::Next LedgerReader::torn() {
  next_ = begin_;
  window_.clear();  // a later call looks again
  return Next::kTorn;
}

LedgerReader::Next LedgerReader::unreadable(const Error& error) {
  problem_ = error.message;
  error_code_ = error.code;
  return Next::kUnreadable;
}

bool LedgerReader::only_zeros_from(uint64_t offset, Result<void>& read) {
  for (;;) {
    const auto part = bytes(offset, kWindowBytes);
    if (!part) {
      read = tl::unexpected<Error>(part.error());
      return false;
    }
    if (!all_zero(*part)) return false;
    if (part->size() < kWindowBytes) return true;
    offset += part->size();
  }
}

// At next_ stands no entry's header: searches for the next one.
LedgerReader::Next LedgerReader::no_header_here() {
  Result<void> read;
  // The file's size reached the disk, the bytes from the header's check on did not.
  if (only_zeros_from(begin_ + LedgerEntryHeader::kBytes - LedgerEntryHeader::kCheckBytes, read)) return torn();
  if (!read) return unreadable(read.error());
  for (uint64_t offset = begin_ + 1;;) {
    const auto part = bytes(offset, kWindowBytes);
    if (!part) return unreadable(part.error());
    const std::span<const uint8_t> seen = *part;
    for (size_t at = 0; at + LedgerEntryHeader::kBytes <= seen.size(); at++) {
      const void* magic = memmem(seen.data() + at, seen.size() - at, LedgerEntryHeader::kMagic, 4);
      if (magic == nullptr) break;
      at = static_cast<size_t>(static_cast<const uint8_t*>(magic) - seen.data());
      LedgerEntryHeader header;
      if (LedgerEntryHeader::parse(seen.subspan(at), ledger_seed(header_.store_uuid, offset + at), header)) {
        return damaged(offset + at, "not an entry of this ledger at this place");
      }
    }
    if (seen.size() < kWindowBytes) return damaged(offset + seen.size(), "not an entry of this ledger at this place");
    offset += seen.size() - (LedgerEntryHeader::kBytes - 1);
  }
}

LedgerReader::Next LedgerReader::next(LedgerEntry& entry) {
  begin_ = next_;
  const auto head = bytes(begin_, LedgerEntryHeader::kBytes);
  if (!head) return unreadable(head.error());
  if (head->empty()) return Next::kEnd;
  if (head->size() < LedgerEntryHeader::kBytes) {
    const size_t magic_bytes = std::min<size_t>(head->size(), 4);
    const bool begun = std::memcmp(head->data(), LedgerEntryHeader::kMagic, magic_bytes) == 0;
    if (begun || all_zero(*head)) return torn();
    return damaged(begin_ + head->size(), "bytes after the last entry");
  }
  const uint64_t seed = ledger_seed(header_.store_uuid, begin_);
  if (!LedgerEntryHeader::parse(*head, seed, entry.header)) return no_header_here();

  const auto whole = bytes(begin_, static_cast<size_t>(entry.header.entry_bytes()));
  if (!whole) return unreadable(whole.error());
  if (whole->size() < entry.header.entry_bytes()) return torn();
  next_ = begin_ + whole->size();
  const auto covered = whole->first(whole->size() - LedgerEntryHeader::kChecksumBytes);
  uint64_t stated;
  std::memcpy(&stated, whole->data() + covered.size(), sizeof stated);
  if (stated != ledger_checksum(covered, seed)) {
    Result<void> read;
    if (stated == 0 && only_zeros_from(next_, read)) return torn();  // its end never reached the disk
    if (!read) return unreadable(read.error());
    return damaged(next_, "a damaged entry");
  }
  entry.offset = begin_;
  if (entry.header.is_leaf()) entry.leaf = ledger_leaf(covered);
  if (!parse(entry.header.type, covered.subspan(LedgerEntryHeader::kBytes), entry.content)) {
    return damaged(next_, "an entry with impossible values");
  }
  if (std::holds_alternative<std::monostate>(entry.content) && entry.header.flags & LedgerEntryHeader::kRequired) {
    return damaged(next_, "an entry that a newer version wrote");
  }
  return Next::kEntry;
}

Result<LedgerHeader> read_ledger(FileSystem& files, const std::string& path,
                                 const std::function<void(const LedgerEntry&)>& seen,
                                 const std::function<void(uint64_t, const std::string&)>& damage) {
  auto reader = LedgerReader::open(files, path);
  if (!reader) return pass_on(reader);
  LedgerEntry entry;
  for (;;) {
    switch (reader->next(entry)) {
      case LedgerReader::Next::kEntry:
        seen(entry);
        break;
      case LedgerReader::Next::kDamaged:
        if (damage) damage(reader->offset(), reader->problem());
        break;
      case LedgerReader::Next::kUnreadable:
        return fail("{}: offset {}: {}", path, reader->offset(), reader->problem());
      case LedgerReader::Next::kEnd:
      case LedgerReader::Next::kTorn:
        return reader->header();
    }
  }
}

}  // namespace gatetape
