#include "capture/sources/byte_input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace gatetape {
namespace {

constexpr size_t kPieceBytes = 256 << 10;  // compressed data, and what is made of it at once
constexpr int kGrowthPause_ms = 10;

}  // namespace

Result<ByteInput> ByteInput::open(const std::string& path) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail("pcap:{}: {}", path, std::strerror(errno));
  ByteInput input(fd, standard_input ? "standard input" : path);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail("pcap:{}: {}", path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return fail("pcap:{}: is a directory", path);
  input.regular_ = S_ISREG(status.st_mode);
  // Only a hint to the kernel's read-ahead: it fails on a pipe, where it has no meaning.
  if (input.regular_) ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  if (Result<void> looked = input.look_for_compression(); !looked) return pass_on(looked);
  return input;
}

ByteInput::ByteInput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

ByteInput::ByteInput(ByteInput&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      regular_(other.regular_),
      followed_(other.followed_),
      stop_(other.stop_),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      end_(other.end_),
      file_bytes_read_(other.file_bytes_read_),
      decompressor_(std::move(other.decompressor_)),
      compressed_(std::move(other.compressed_)),
      compressed_begin_(other.compressed_begin_),
      compressed_end_(other.compressed_end_),
      compressed_ended_(other.compressed_ended_),
      more_without_input_(other.more_without_input_),
      failure_(std::move(other.failure_)) {}

ByteInput::~ByteInput() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
}

// The bytes that tell the compression are the beginning of the compressed data, or stay in the buffer.
Result<void> ByteInput::look_for_compression() {
  auto begin = peek(Decompressor::kMagicBytes);
  if (!begin) return pass_on(begin);
  auto decompressor = Decompressor::of(*begin);
  if (!decompressor) return fail("pcap:{}: {}", name_, decompressor.error().message);
  if (*decompressor == nullptr) return {};
  decompressor_ = std::move(*decompressor);
  compressed_.resize(kPieceBytes);
  compressed_end_ = end_ - begin_;
  std::memcpy(compressed_.data(), buffer_.data() + begin_, compressed_end_);
  begin_ = end_ = 0;
  return {};
}

Result<void> ByteInput::follow(const std::atomic<bool>* stop) {
  if (!regular_) return fail("pcap:{}: only a file can be followed; a pipe is read as it comes", name_);
  if (decompressor_ != nullptr) return fail("pcap:{}: a compressed file cannot be followed", name_);
  followed_ = true;
  stop_ = stop;
  return {};
}

Result<std::span<const uint8_t>> ByteInput::peek(size_t size) {
  while (end_ - begin_ < size) {
    Result<size_t> got = fill(size - (end_ - begin_));
    if (!got) return pass_on(got);
    if (*got > 0) continue;
    if (!followed_ || (stop_ != nullptr && stop_->load(std::memory_order_relaxed))) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(kGrowthPause_ms));
  }
  return std::span<const uint8_t>(buffer_.data() + begin_, std::min(size, end_ - begin_));
}

Result<size_t> ByteInput::read(uint8_t* out, size_t size) {
  if (!buffered() && decompressor_ == nullptr) return read_some(out, size);
  if (!buffered()) {
    if (Result<size_t> got = fill(size); !got || *got == 0) return got;
  }
  const size_t take = std::min(size, end_ - begin_);
  std::memcpy(out, buffer_.data() + begin_, take);
  begin_ += take;
  return take;
}

Result<size_t> ByteInput::read_buffered(uint8_t* out, size_t size) {
  if (!buffered()) {
    begin_ = end_ = 0;
    if (Result<size_t> got = fill(kBufferBytes); !got || *got == 0) return got;
  }
  return read(out, size);
}

Result<size_t> ByteInput::read_at(uint64_t offset, uint8_t* out, size_t size) const {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd_, out + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail("pcap:{}: {}", name_, std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

bool ByteInput::ready(int wait_ms) {
  if (buffered()) return true;
  if (followed_) return grown(wait_ms);
  if (regular_) return true;
  pollfd waiting{fd_, POLLIN, 0};
  if (decompressor_ == nullptr) return ::poll(&waiting, 1, wait_ms) > 0;
  while (!buffered() && failure_) {
    const bool at_hand = more_without_input_ || compressed_begin_ < compressed_end_;
    if (!at_hand && compressed_ended_) break;
    if (!at_hand && ::poll(&waiting, 1, wait_ms) <= 0) return false;
    failure_ = decompress_some();
  }
  return true;
}

bool ByteInput::at_hand(size_t size) {
  if (end_ - begin_ >= size) return true;
  if (regular_) return !followed_ || grown(0);
  pollfd waiting{fd_, POLLIN, 0};
  return decompressor_ == nullptr && ::poll(&waiting, 1, 0) > 0;
}

// Returns whether the followed file has changed its length, after waiting up to `wait_ms` for that.
bool ByteInput::grown(int wait_ms) const {
  for (int waited = 0;; waited += kGrowthPause_ms) {
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || static_cast<uint64_t>(status.st_size) != file_bytes_read_) return true;
    if (waited >= wait_ms) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(kGrowthPause_ms));
  }
}

Result<size_t> ByteInput::read_some(uint8_t* out, size_t size) {
  ssize_t got = 0;
  do {
    got = ::read(fd_, out, size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail("pcap:{}: {}", name_, std::strerror(errno));
  file_bytes_read_ += static_cast<size_t>(got);
  return static_cast<size_t>(got);
}

// Makes room for `size` bytes behind those that are in the buffer.
uint8_t* ByteInput::room(size_t size) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() < end_ + size) buffer_.resize(end_ + size);
  return buffer_.data() + end_;
}

// Brings up to `size` more bytes into the buffer, and returns how many; of compressed data any number.
Result<size_t> ByteInput::fill(size_t size) {
  const size_t before = end_ - begin_;
  if (decompressor_ == nullptr) {
    uint8_t* out = room(size);
    Result<size_t> got = read_some(out, size);
    if (got) end_ += *got;
    return got;
  }
  while (failure_ && end_ - begin_ == before) {
    const bool at_end = compressed_ended_ && compressed_begin_ == compressed_end_ && !more_without_input_;
    if (at_end && decompressor_->complete()) return 0;
    if (at_end) return fail("pcap:{}: truncated: the {} data ends early", name_, decompressor_->name());
    failure_ = decompress_some();
  }
  if (!failure_) return fail("{}", failure_.error().message);
  return end_ - begin_ - before;
}

// Makes a piece of the data, and reads compressed bytes first if there are none.
Result<void> ByteInput::decompress_some() {
  if (compressed_begin_ == compressed_end_ && !compressed_ended_ && !more_without_input_) {
    Result<size_t> got = read_some(compressed_.data(), compressed_.size());
    if (!got) return pass_on(got);
    compressed_begin_ = 0;
    compressed_end_ = *got;
    compressed_ended_ = *got == 0;
  }
  uint8_t* out = room(kPieceBytes);
  auto step = decompressor_->step({compressed_.data() + compressed_begin_, compressed_end_ - compressed_begin_},
                                  {out, kPieceBytes});
  if (!step) return fail("pcap:{}: {}", name_, step.error().message);
  compressed_begin_ += step->consumed;
  end_ += step->produced;
  more_without_input_ = step->produced == kPieceBytes;
  return {};
}

}  // namespace gatetape
