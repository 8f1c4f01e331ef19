// A file that appears under its name only when it is complete: written beside it under a temporary name, synced, then
// renamed. Or standard output, for "-". Buffered; errors are sticky. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/file.h"
#include "common/result.h"

namespace gatetape {

class OutputFile {
 public:
  // `stop` is asked where a pipe's reader is waited for (FileSystem::open_stream).
  static Result<std::unique_ptr<OutputFile>> open(const std::string& path, FileSystem& files = system_files(),
                                                  Stop stop = {});
  ~OutputFile();  // unless finished, nothing is left of the file; standard output keeps what was flushed
  OutputFile(const OutputFile&) = delete;

  void append(std::span<const uint8_t> bytes);
  // The first thing that went wrong, if anything did: names the file.
  const Result<void>& status() const { return status_; }
  Result<void> flush();
  // Everything is on disk and the file has its name.
  Result<void> finish();
  uint64_t bytes() const { return bytes_; }

 private:
  OutputFile(FileSystem& files, std::string path, std::string temporary, std::unique_ptr<File> file);
  void note(const char* what, const Result<void>& result);

  FileSystem& files_;
  std::string path_;
  std::string temporary_;  // empty: standard output, or a pipe or device, which is written as it is
  std::unique_ptr<File> file_;
  std::vector<uint8_t> buffer_;
  Result<void> status_;
  uint64_t bytes_ = 0;
};

}  // namespace gatetape
