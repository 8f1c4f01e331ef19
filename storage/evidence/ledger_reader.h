// Reads a store's ledger from its beginning to its end, entry by entry: any process, without a lock, also while a
// capture appends to it. Memory is bounded by the largest entry (1 MiB), whatever the file holds. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/evidence/ledger_entry.h"

namespace gatetape {

inline constexpr char kLedgerFileName[] = "ledger";

struct LedgerEntry {
  uint64_t offset = 0;
  LedgerEntryHeader header;
  LedgerContent content;
  Sha256Digest leaf{};  // only of leaves
};

class LedgerReader {
 public:
  enum class Next {
    kEntry,
    kEnd,   // at the file's end; a later call sees what was appended meanwhile
    kTorn,  // the rest was certainly never written whole: an append that is going on, or that a crash cut short
    // Bytes from offset() on that are no entry, or one that must be understood and is not; problem() says what. The
    // next call goes on after them, so that what follows is not hidden.
    kDamaged,
    kUnreadable,  // problem() says why: an error of the device. Nothing is known of the rest.
  };

  // Fails when the file cannot be opened or read (with Error::code), is no ledger, or one of another version (without).
  static Result<LedgerReader> open(FileSystem& files, const std::string& path);

  const LedgerHeader& header() const { return header_; }
  Next next(LedgerEntry& entry);
  // Where the last thing that next() returned begins ...
  uint64_t offset() const { return begin_; }
  // ... and where what comes after it does.
  uint64_t next_offset() const { return next_; }
  const std::string& problem() const { return problem_; }
  int error_code() const { return error_code_; }  // the errno of kUnreadable
  // Whether what is damaged may be what a power cut left of an append: some of its sectors never reached the disk. It
  // was never signed then, because an entry is synced before a checkpoint over it is written: no checkpoint follows.
  bool maybe_unwritten() const { return maybe_unwritten_; }

 private:
  LedgerReader(std::unique_ptr<File> file, LedgerHeader header) : file_(std::move(file)), header_(header) {}
  // The bytes [offset, offset + size), fewer at the end of the file.
  Result<std::span<const uint8_t>> bytes(uint64_t offset, size_t size);
  Next damaged(uint64_t next_offset, std::string problem);
  bool has_unwritten_part(uint64_t end);
  Next torn();
  Next unreadable(const Error& error);
  Next no_header_here();
  bool only_zeros_from(uint64_t offset, Result<void>& read);

  std::unique_ptr<File> file_;
  LedgerHeader header_;
  uint64_t begin_ = 0, next_ = LedgerHeader::kBytes;
  std::string problem_;
  int error_code_ = 0;
  bool maybe_unwritten_ = false;
  std::vector<uint8_t> window_;
  uint64_t window_begin_ = 0;
};

// Calls `seen` with each intact entry; damage, too, goes to `damage` (offset and words) when given. Fails as open()
// does, and when the file cannot be read to its end.
Result<LedgerHeader> read_ledger(FileSystem& files, const std::string& path,
                                 const std::function<void(const LedgerEntry&)>& seen,
                                 const std::function<void(uint64_t, const std::string&)>& damage = {});

}  // namespace gatetape
