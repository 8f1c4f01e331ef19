// A file system in memory that fails when it is told to: any call with any errno, writes that stop half way, a disk of
// limited size, calls that hang, and power cuts that lose what was not synced. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "common/file.h"

namespace gatetape::test {

class SimulatedFiles final : public FileSystem {
 public:
  enum class Operation {
    kOpen,
    kCreate,
    kRead,
    kWrite,
    kTruncate,
    kSync,
    kFileStatus,
    kLock,  // a file's
    kRename,
    kRemove,
    kList,
    kMakeDirectories,
    kSyncDirectory,
    kStatus,
    kSetRights,
    kFreeSpace,
  };
  struct Call {
    uint64_t number;  // from 0, over all calls
    Operation operation;
    std::string path;
    uint64_t bytes = 0;  // a write's
  };
  struct Outcome {
    int code = 0;              // errno; 0: the call succeeds
    size_t bytes_written = 0;  // by a write that fails
    bool reached = true;       // the disk, which may lose what fails to sync; else the process was dead before
  };
  // Decides about each call before it happens. It is called without a lock, so it may wait: a disk that stalls.
  using Fault = std::function<Outcome(const Call&)>;

  SimulatedFiles();
  ~SimulatedFiles() override;

  void set_fault(Fault fault);
  void set_capacity(uint64_t bytes);  // all files together; no limit at first
  uint64_t calls() const;
  uint64_t used() const;
  uint64_t times_full() const;  // calls that failed because of the capacity

  // A power cut. Each file keeps what was synced and a part of what was written since, and directories keep the entries
  // that were synced and a part of what happened to them since. The seed decides which. Directories themselves stay.
  // Open handles keep files that nobody finds any more.
  enum class Survivors {
    kBeginning,  // the first changes, which may end inside a write; over all directories in one order
    kAnything,   // whatever the disk happened to write out: any sectors, any entries
  };
  void cut_power(uint64_t seed, Survivors survivors = Survivors::kBeginning);
  // Everything as it is now, for a process that was killed: unlike a power cut that loses nothing.
  std::unique_ptr<SimulatedFiles> copy() const;
  // No more than what a power cut is sure to leave.
  std::unique_ptr<SimulatedFiles> synced_copy() const;

  // From now on what a failed sync should have written never reaches the disk, and later syncs succeed without it, as
  // on Linux.
  void lose_what_fails_to_sync();
  // Tells of a file's bytes whether they are final. Changing such a file afterwards is remembered: names of those files
  // as they were opened.
  void set_final(std::function<bool(std::span<const uint8_t>)> final);
  std::vector<std::string> changed_final_files() const;
  // Calls `visit` with each file of the directory, and its size.
  void for_each_file(const std::string& directory,
                     const std::function<void(const std::string& path, uint64_t bytes)>& visit) const;
  // Its bytes as they are; none when there is no such file.
  std::vector<uint8_t> content(const std::string& path) const;
  // A bit of a file flips on the disk. False: there is no such byte.
  bool flip(const std::string& path, uint64_t offset, uint8_t mask);
  // A file is taken away behind the program's back. False: there is none.
  bool take_away(const std::string& path);

  Result<std::unique_ptr<File>> open_to_read(const std::string& path) override;
  Result<std::unique_ptr<File>> open_to_change(const std::string& path) override;
  Result<std::unique_ptr<File>> open_stream(const std::string& path, Stop stop) override;
  Result<std::unique_ptr<File>> open_directory(const std::string& path) override;
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::vector<std::string>> list_some(const std::string& directory, size_t names_max) override;
  Result<void> make_directories(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<FileStatus> status(const std::string& path) override;
  Result<FileStatus> entry_status(const std::string& path) override { return status(path); }  // there are no links
  Result<void> set_rights(const std::string& path, uint32_t rights) override;
  Result<FreeSpace> free_space(const std::string& path) override;

 private:
  struct Node;        // a file's bytes
  class OpenFile;     // a handle on one
  struct NameChange;  // an entry made or removed
  using Bytes = std::vector<uint8_t>;
  using Names = std::map<std::string, std::shared_ptr<Node>>;  // by path

  Outcome ask(Operation operation, const std::string& path, uint64_t bytes = 0);
  Result<std::unique_ptr<File>> open(const std::string& path);
  void set_name(const std::string& path, std::shared_ptr<Node> node);
  static void apply(Names& names, const NameChange& change);
  void keep_names(std::mt19937_64& random, Survivors survivors);
  void note_change(Node& node, const std::string& path);

  mutable std::mutex mutex_;
  Fault fault_;
  uint64_t calls_ = 0;
  uint64_t capacity_ = UINT64_MAX, used_ = 0, times_full_ = 0;
  uint64_t next_number_ = 1;
  Names names_, synced_names_;
  std::vector<NameChange> unsynced_names_;
  std::map<std::string, uint32_t> directories_;                   // rights by path
  std::map<std::string, std::shared_ptr<Node>> directory_nodes_;  // those that were opened
  bool failed_syncs_lose_ = false;
  std::function<bool(std::span<const uint8_t>)> final_;
  std::vector<std::string> changed_final_files_;
};

}  // namespace gatetape::test
