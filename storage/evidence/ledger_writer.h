// Appends to a store's ledger. One writer: the capture that holds the store's lock. Its methods may be called from any
// thread, off the packet path: an append hashes and writes some hundred bytes.
//
// An entry is handed to the kernel at once, so it survives the death of the process; sync() makes all of them survive a
// power cut. What cannot be written (a full disk) is kept in memory and written by the next append or sync, in order;
// beyond 4 MiB of it the ledger gives up: every later call fails, and the store goes on without.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/evidence/ledger_reader.h"
#include "storage/evidence/merkle_tree.h"

namespace gatetape {

class LedgerWriter {
 public:
  // Begins a store's ledger; it appears in `directory` when its header is on the disk. Fails with EEXIST when there is
  // one.
  static Result<std::unique_ptr<LedgerWriter>> create(FileSystem& files, const std::string& directory,
                                                      const LedgerHeader& header);
  // Goes on with the ledger of `directory`, and calls `seen` with each entry in it. What a
  // crash left of the last entries is cut off: they were never signed. Fails, and changes nothing, when it is not there
  // (ENOENT), cannot be read, or is damaged (EBADMSG).
  static Result<std::unique_ptr<LedgerWriter>> open(FileSystem& files, const std::string& directory,
                                                    const std::function<void(const LedgerEntry&)>& seen);

  const LedgerHeader& header() const { return header_; }
  // Fails when the entry is not in the file yet, or will never be. Precondition: content is not std::monostate.
  Result<void> append(const LedgerContent& content);
  // Everything appended is on the disk when it succeeds.
  Result<void> sync();
  // Returns the tree of the leaves in the file, or nothing while some wait in memory.
  std::optional<MerkleTree> tree() const;

 private:
  LedgerWriter(std::unique_ptr<File> file, LedgerHeader header, uint64_t end, MerkleTree tree)
      : header_(header), file_(std::move(file)), end_(end), tree_(tree) {}
  Result<void> write_waiting();

  const LedgerHeader header_;
  mutable std::mutex mutex_;
  std::unique_ptr<File> file_;
  uint64_t end_;  // end of the whole entries in the file
  MerkleTree tree_;
  std::vector<uint8_t> waiting_;  // entries that belong at end_
  bool gave_up_ = false;
};

std::string ledger_path(const std::string& directory);
// The first of a store's directories that has a ledger; nullptr: none has.
const std::string* directory_with_ledger(FileSystem& files, const std::vector<std::string>& directories);

}  // namespace gatetape
