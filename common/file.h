// Files by descriptor: whole reads and writes at an offset, errors with the file's name. No mapping: a file cut short
// or evicted underneath a reader gives a short read, not a signal.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"

namespace gatetape {

class File {
 public:
  File() = default;
  static Result<File> open_to_read(const std::string& path);
  static Result<File> open_to_change(const std::string& path);  // reading and writing
  static Result<File> create(const std::string& path);          // fails when it exists

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  bool is_open() const { return descriptor_ >= 0; }
  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  void renamed(std::string path) { path_ = std::move(path); }

  // Bytes that were there, at most out.size(); fewer at the end of the file or on an error of the device.
  size_t read_at(uint64_t offset, std::span<uint8_t> out) const;
  Result<void> write_at(uint64_t offset, std::span<const uint8_t> bytes);
  Result<void> truncate(uint64_t bytes);
  Result<void> sync();
  uint64_t size() const;  // 0 when it cannot be told

 private:
  File(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  static Result<File> open(const std::string& path, int flags);

  int descriptor_ = -1;
  std::string path_;
};

Result<void> sync_directory(const std::string& path);

}  // namespace gatetape
