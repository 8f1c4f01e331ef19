// Bytes of a file or a pipe, read in large pieces. One thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"

namespace gatetape {

class ByteInput {
 public:
  // "-" is standard input. Errors name the path.
  static Result<ByteInput> open(const std::string& path);
  ByteInput(ByteInput&& other) noexcept;
  ByteInput& operator=(ByteInput&&) = delete;
  ~ByteInput();

  // The first bytes, up to `size`, fewer at the end of the input. They stay to be read.
  Result<std::span<const uint8_t>> peek(size_t size);

  // Up to `size` bytes to `out`: what is buffered, else one read of the file. 0: the end, -1: an error, see errno.
  ssize_t read(uint8_t* out, size_t size);
  // The same in pieces of any size, through the buffer.
  ssize_t read_buffered(uint8_t* out, size_t size);

  // Whether a read would give something, or the end, at once. Waits up to `wait_ms` for it. Always so for a file.
  bool ready(int wait_ms);
  bool buffered() const { return begin_ < end_; }
  const std::string& name() const { return name_; }  // for messages

  static constexpr size_t kBufferBytes = 1 << 20;

 private:
  ByteInput(int fd, std::string name);
  ssize_t fill(size_t size);

  int fd_;
  bool is_pipe_;
  std::string name_;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace gatetape
