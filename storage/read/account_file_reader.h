// Reads a store's account file: any process, without a lock, while its recorder writes it or long after it was killed.
// One thread. Memory is bounded by the header's limit (4 MiB) and a slot.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/format/account_file.h"

namespace gatetape {

class AccountFileReader {
 public:
  // Fails with ENOENT where the store has none; without a code when what is there is none, or is damaged.
  static Result<AccountFileReader> open(FileSystem& files, const std::string& directory);

  const AccountFileHeader& header() const { return header_; }

  struct State {
    std::vector<AccountRecord> accounts;  // a worker each, as of its last write; none of workers that wrote nothing yet
    int64_t beat_ns = INT64_MIN;          // wall time of the recorder's last sign of life; INT64_MIN: it gave none
    bool ended = false;                   // the run ended properly, and these are its last words
  };
  // Each call reads the file anew. Each account is of one instant, and one of the last two that were written.
  Result<State> read();

  // A recorder gives a sign each second. One that was silent for longer was killed, or hangs.
  static constexpr int64_t kSilenceMax_ns = 3'000'000'000;

 private:
  AccountFileReader(std::unique_ptr<File> file, std::string path, AccountFileHeader header, size_t header_bytes)
      : file_(std::move(file)), path_(std::move(path)), header_(std::move(header)), header_bytes_(header_bytes) {}
  Result<void> read_exactly(uint64_t offset, std::span<uint8_t> out);
  Result<AccountSlot> newest(uint16_t worker);

  std::unique_ptr<File> file_;
  std::string path_;
  AccountFileHeader header_;
  size_t header_bytes_;
};

}  // namespace gatetape
