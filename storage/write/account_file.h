// The account where it survives the recorder: its last words, in a file of the store, renewed many times a second. A
// process that is killed takes nothing of it along; a power cut may take all of it, and the records hold the account of
// the last whole second then.
//
// It is written, not mapped into memory. A store into a mapped page waits for the disk while the kernel writes that
// page back, and a file that is cut short, or whose disk breaks, kills who maps it. A write into the page cache
// survives the process as well, and tells its errors. All bytes are there from the beginning, so that a full disk
// hinders nobody.
//
// One thread, which may wait for the disk: never a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/format/account_file.h"

namespace gatetape {

class AccountFile {
 public:
  // Makes the file anew in `directory`, in place of the one that is there. It appears when it is whole. Precondition:
  // the header is AccountFileHeader::make()'s, filled in.
  static Result<std::unique_ptr<AccountFile>> create(FileSystem& files, const std::string& directory,
                                                     AccountFileHeader header);

  // Writes worker `record.worker`'s account if it differs from the one before, or that one is a second old.
  // `ended`: these are the last words of a run that ended properly.
  Result<void> write(const AccountRecord& record, int64_t wall_ns, bool ended = false);

 private:
  struct Written {
    uint64_t number = 0;
    int64_t beat_ns = INT64_MIN;
    AccountRecord record;
  };
  AccountFile(std::unique_ptr<File> file, AccountFileHeader header, size_t header_bytes);

  std::unique_ptr<File> file_;
  const AccountFileHeader header_;
  const size_t header_bytes_;
  std::vector<Written> written_;  // by worker
  ByteSink slot_;
};

// The last accounts of runs that were killed and left them in the store's account file, settled with what their
// segments hold: records for this run to write, and to carry on in its own file, since it may be killed before they are
// on the disk. None when the run before ended properly. Precondition: the store is locked, and the file not yet made
// anew.
Result<RecordBatch> accounts_of_killed(FileSystem& files, const std::vector<std::string>& directories);

}  // namespace gatetape
