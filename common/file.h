// Files and file systems, behind interfaces that a test can replace: the store touches the disk through these alone.
// Every error names its path and carries its errno (Error::code), so that callers can tell a full disk from a broken
// one. Nothing is mapped into memory: a file that is cut short or evicted underneath a reader gives a short read, not a
// signal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace gatetape {

// Tells two files apart whatever they are called.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t number = 0;  // inode
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

struct FileStatus {
  enum class Kind { kRegular, kDirectory, kLink, kOther };
  Kind kind = Kind::kRegular;
  uint64_t bytes = 0;
  uint64_t allocated_bytes = 0;  // that it takes on the disk: fewer where it has holes, some more where it has none
  uint32_t rights = 0;           // the nine lowest bits of its mode
  FileIdentity identity;
  uint32_t owner = 0, group = 0;
};

struct FreeSpace {
  uint64_t device = 0;  // tells file systems apart
  uint64_t bytes = 0;   // that an unprivileged process may still write
  uint64_t size = 0;    // the whole file system's
};

// An open file; closed, and its lock released, when it is destroyed. One thread may read or write while another calls
// sync(); no more is promised. It goes on under the same handle when it is renamed or removed.
class File {
 public:
  virtual ~File() = default;

  // How many bytes were there: as many as fit into `out`, fewer only where the file ends. An error of the device is an
  // error, never a short read.
  virtual Result<size_t> read_at(uint64_t offset, std::span<uint8_t> out) = 0;
  // All of them, or an error; some may have been written then.
  virtual Result<void> write_at(uint64_t offset, std::span<const uint8_t> bytes) = 0;
  // The same at the handle's own position, for what has no offsets: pipes, devices, standard output.
  virtual Result<void> append(std::span<const uint8_t> bytes) = 0;
  virtual Result<void> truncate(uint64_t bytes) = 0;
  // The bytes survive a power cut when it returns; the name does when the directory was synced, too.
  virtual Result<void> sync() = 0;
  virtual Result<FileStatus> status() = 0;
  // Takes the exclusive lock (flock(2)) that lasts as long as the file is open. False: another process or handle has
  // it.
  virtual Result<bool> lock() = 0;
};

// Asked by what may have to wait: whether it should give up.
using Stop = std::function<bool()>;

// Any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Reading, and reading and writing. Only a regular file opens, and never through a link in its place: ELOOP for a
  // link, EINVAL for pipes, folders and devices, without waiting for any of them.
  virtual Result<std::unique_ptr<File>> open_to_read(const std::string& path) = 0;
  virtual Result<std::unique_ptr<File>> open_to_change(const std::string& path) = 0;
  virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;  // EEXIST when it exists
  // Writing to a pipe, a socket's or a device's name; for append() alone. Waits for a pipe's reader, here and while it
  // reads nothing, and asks `stop` several times a second meanwhile: ECANCELED when it says so. Empty: it never does.
  virtual Result<std::unique_ptr<File>> open_stream(const std::string& path, Stop stop) = 0;
  virtual Result<std::unique_ptr<File>> open_directory(const std::string& path) = 0;  // for lock() alone

  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, in no order
  // The same of a directory that strangers may fill: no more names than that, nor memory for them.
  virtual Result<std::vector<std::string>> list_some(const std::string& directory, size_t names_max) = 0;
  virtual Result<void> make_directories(const std::string& path) = 0;    // those above it, too
  virtual Result<void> sync_directory(const std::string& path) = 0;      // its entries survive a power cut
  virtual Result<FileStatus> status(const std::string& path) = 0;        // follows links
  virtual Result<FileStatus> entry_status(const std::string& path) = 0;  // a link's own
  virtual Result<void> set_rights(const std::string& path, uint32_t rights) = 0;
  virtual Result<FreeSpace> free_space(const std::string& path) = 0;
};

// The machine's.
FileSystem& system_files();
// The same as open_stream() for standard output.
Result<std::unique_ptr<File>> open_standard_output(Stop stop);

// The disk, or the user's share of it, is full (ENOSPC, EDQUOT): room can be made for the same call to succeed.
bool is_out_of_space(const Error& error);

// The last component of a path, and what comes before it ("." when there is nothing).
std::string_view file_name(std::string_view path);
std::string parent_directory(std::string_view path);

}  // namespace gatetape
