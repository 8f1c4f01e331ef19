// A file that appears under its name only when it is complete: written beside it under a temporary name, synced, then
// renamed. Or standard output, for "-". Buffered; errors are sticky. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/result.h"

namespace gatetape {

class OutputFile {
 public:
  static Result<std::unique_ptr<OutputFile>> open(const std::string& path);
  ~OutputFile();  // unless finished, nothing is left of the file; standard output keeps what was flushed
  OutputFile(const OutputFile&) = delete;

  void append(std::span<const uint8_t> bytes);
  // The first thing that went wrong, if anything did: names the file.
  Result<void> status() const;
  Result<void> flush();
  // Everything is on disk and the file has its name.
  Result<void> finish();
  uint64_t bytes() const { return bytes_; }

 private:
  OutputFile(std::string path, std::string temporary, int descriptor);
  void note_error(const char* what);

  std::string path_;
  std::string temporary_;  // empty: standard output
  int descriptor_;
  std::string buffer_;
  std::string error_;
  uint64_t bytes_ = 0;
};

}  // namespace gatetape
