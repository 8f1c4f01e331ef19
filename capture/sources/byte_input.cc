#include "capture/sources/byte_input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gatetape {
namespace {

ssize_t read_some(int fd, uint8_t* out, size_t size) {
  ssize_t got = 0;
  do {
    got = ::read(fd, out, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

Result<ByteInput> ByteInput::open(const std::string& path) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail("pcap:{}: {}", path, std::strerror(errno));
  ByteInput input(fd, standard_input ? "standard input" : path);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail("pcap:{}: {}", path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return fail("pcap:{}: is a directory", path);
  input.is_pipe_ = !S_ISREG(status.st_mode);
  // Only a hint to the kernel's read-ahead: it fails on a pipe, where it has no meaning.
  if (!input.is_pipe_) ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return input;
}

ByteInput::ByteInput(int fd, std::string name) : fd_(fd), is_pipe_(false), name_(std::move(name)) {}

ByteInput::ByteInput(ByteInput&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      is_pipe_(other.is_pipe_),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      end_(other.end_) {}

ByteInput::~ByteInput() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
}

Result<std::span<const uint8_t>> ByteInput::peek(size_t size) {
  while (end_ - begin_ < size) {
    const ssize_t got = fill(size - (end_ - begin_));
    if (got < 0) return fail("pcap:{}: {}", name_, std::strerror(errno));
    if (got == 0) break;
  }
  return std::span<const uint8_t>(buffer_.data() + begin_, std::min(size, end_ - begin_));
}

ssize_t ByteInput::read(uint8_t* out, size_t size) {
  if (!buffered()) return read_some(fd_, out, size);
  const size_t take = std::min(size, end_ - begin_);
  std::memcpy(out, buffer_.data() + begin_, take);
  begin_ += take;
  return static_cast<ssize_t>(take);
}

ssize_t ByteInput::read_buffered(uint8_t* out, size_t size) {
  if (!buffered()) {
    begin_ = end_ = 0;
    if (const ssize_t got = fill(kBufferBytes); got <= 0) return got;
  }
  return read(out, size);
}

bool ByteInput::ready(int wait_ms) {
  if (!is_pipe_ || buffered()) return true;
  pollfd waiting{fd_, POLLIN, 0};
  return ::poll(&waiting, 1, wait_ms) > 0;
}

// Reads up to `size` more bytes into the buffer, behind those that are there.
ssize_t ByteInput::fill(size_t size) {
  if (buffer_.size() < end_ + size) buffer_.resize(end_ + size);
  const ssize_t got = read_some(fd_, buffer_.data() + end_, size);
  if (got > 0) end_ += static_cast<size_t>(got);
  return got;
}

}  // namespace gatetape
