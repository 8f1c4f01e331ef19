// ByteInput reads a file or a pipe in large pieces. It belongs to one thread.
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
  // Opens a file, or standard input for "-". Errors name the path.
  static Result<ByteInput> open(const std::string& path);
  ByteInput(ByteInput&& other) noexcept;
  ByteInput& operator=(ByteInput&&) = delete;
  ~ByteInput();

  // Returns the next bytes without taking them: `size`, or fewer at the end of the input.
  Result<std::span<const uint8_t>> peek(size_t size);

  // Reads up to `size` bytes, buffered ones if there are any. Returns their number, 0 at the end, -1 with errno.
  ssize_t read(uint8_t* out, size_t size);
  // Does the same through the buffer; for small pieces.
  ssize_t read_buffered(uint8_t* out, size_t size);

  // Returns whether a read would return at once, after waiting up to `wait_ms` for that. A file is always ready.
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
