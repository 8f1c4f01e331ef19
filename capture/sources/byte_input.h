// ByteInput reads a file or a pipe in large pieces, and undoes its compression. It belongs to one thread.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "capture/sources/decompressor.h"
#include "common/result.h"

namespace gatetape {

class ByteInput {
 public:
  // Opens a file, or standard input for "-". Its first bytes tell whether it is compressed. Errors name the path.
  static Result<ByteInput> open(const std::string& path);
  ByteInput(ByteInput&& other) noexcept;
  ByteInput& operator=(ByteInput&&) = delete;
  ~ByteInput();

  // From now on the file's end is where somebody writes on: ready() waits there, and read() returns 0 only when the
  // file has become shorter, or `stop` is set while peek() waits. Fails for what is compressed or no file.
  Result<void> follow(const std::atomic<bool>* stop);

  // Returns the next bytes without taking them: `size`, or fewer at the end of the input. Waits for a pipe.
  Result<std::span<const uint8_t>> peek(size_t size);

  // Reads up to `size` bytes, buffered ones if there are any. Returns their number, 0 at the end. Fails when the input
  // cannot be read or its compression is damaged or cut short; the error names the input.
  Result<size_t> read(uint8_t* out, size_t size);
  // Does the same through the buffer; for small pieces.
  Result<size_t> read_buffered(uint8_t* out, size_t size);
  // Reads at an offset of a file that is seekable(). Returns fewer than `size` bytes only at its end.
  Result<size_t> read_at(uint64_t offset, uint8_t* out, size_t size) const;

  // Returns whether a read would return at once, after waiting up to `wait_ms` for that. A file is always ready.
  bool ready(int wait_ms);
  bool buffered() const { return begin_ < end_; }
  // Returns whether peek(size) would return at once, as far as can be told.
  bool at_hand(size_t size);
  // A regular file of its own that is not compressed.
  bool seekable() const { return regular_ && decompressor_ == nullptr && fd_ != 0; }
  bool followed() const { return followed_; }
  // It can be opened again by its path, and is then the same.
  bool can_be_reopened() const { return regular_ && fd_ != 0; }
  const std::string& name() const { return name_; }  // for messages

  static constexpr size_t kBufferBytes = 1 << 20;

 private:
  ByteInput(int fd, std::string name);
  Result<size_t> read_some(uint8_t* out, size_t size);
  Result<size_t> fill(size_t size);
  Result<void> look_for_compression();
  Result<void> decompress_some();
  uint8_t* room(size_t size);
  bool grown(int wait_ms) const;

  int fd_;
  bool regular_ = false;
  bool followed_ = false;
  const std::atomic<bool>* stop_ = nullptr;
  std::string name_;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0, end_ = 0;
  uint64_t file_bytes_read_ = 0;                // as they lie in the file
  std::unique_ptr<Decompressor> decompressor_;  // null: not compressed
  std::vector<uint8_t> compressed_;
  size_t compressed_begin_ = 0, compressed_end_ = 0;
  bool compressed_ended_ = false;
  bool more_without_input_ = false;  // the decompressor filled all the room that it had
  Result<void> failure_;             // found by ready(), told by read()
};

}  // namespace gatetape
