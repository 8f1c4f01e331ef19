#include "export/eve_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "common/time_text.h"
#include "export/eve.h"

namespace gatetape {
namespace {

// Errors of open() that no waiting mends.
bool is_wrong_path(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
      return true;
    default:
      return false;
  }
}

ssize_t write_once(int fd, std::string_view text) {
  ssize_t written = 0;
  do {
    written = ::write(fd, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  return written;
}

// From the front: whole lines, together at most PIPE_BUF bytes, which a pipe takes all or not at all. A longer line
// goes in pieces.
std::string_view atomic_piece(std::string_view text) {
  if (text.size() <= PIPE_BUF) return text;
  const size_t newline = text.rfind('\n', PIPE_BUF - 1);
  return text.substr(0, newline == std::string_view::npos ? PIPE_BUF : newline + 1);
}

}  // namespace

EveFile::EveFile(const std::string& path)
    : given_path_(path), path_(path == "-" ? std::string("standard output") : path) {}

EveFile::~EveFile() {
  drop();
}

int EveFile::open_path(int more_flags) {
  // Without O_NONBLOCK a named pipe would be waited for until somebody reads it.
  return ::open(given_path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | more_flags, 0640);
}

void EveFile::drop() {
  if (fd_ < 0) return;
  // Some file systems tell only now that they could not keep what they took.
  if (!is_standard_output() && ::close(fd_) != 0) log_warning("{}: close: {}", path_, std::strerror(errno));
  fd_ = -1;
}

void EveFile::adopt(int fd) {
  drop();
  fd_ = fd;
  struct stat status = {};
  (void)::fstat(fd, &status);  // an error here comes again with the first write
  kind_ = S_ISREG(status.st_mode) ? Kind::kRegular : S_ISFIFO(status.st_mode) ? Kind::kPipe : Kind::kOther;
  may_end_in_half_line_ = kind_ == Kind::kRegular && status.st_size > 0;
  const int pipe_bytes = kind_ == Kind::kPipe ? ::fcntl(fd, F_GETPIPE_SZ) : 0;
  pipe_bytes_ = static_cast<size_t>(std::max(pipe_bytes, 0));
  last_taken_.clear();
  unread_ = 0;
}

Result<void> EveFile::open() {
  if (is_standard_output()) {
    adopt(STDOUT_FILENO);
    return {};
  }
  struct stat status;
  if (::stat(given_path_.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    return fail("{}: a socket; EVE goes to a file, a named pipe or standard output", path_);
  }
  const int fd = open_path(O_CREAT);
  if (fd < 0 && is_wrong_path(errno)) return fail("{}: {}", path_, std::strerror(errno));
  if (fd < 0) return {};  // take() tries again, and tells
  adopt(fd);
  if (may_end_in_half_line_ && ::fstat(fd, &status) == 0) {
    log_info("{}: appending to the {} that are there", path_, format_size(static_cast<uint64_t>(status.st_size)));
  }
  return {};
}

void EveFile::render(std::string& out, const Record& record) {
  append_eve(out, record);
  out.push_back('\n');
}

Taken EveFile::take(std::string_view text) {
  if (fd_ < 0) {
    const int fd = open_path(O_CREAT);
    if (fd < 0) return {0, errno};
    adopt(fd);
  }
  return kind_ == Kind::kRegular ? take_regular(text) : take_stream(text);
}

// Ends a line that a crash, or somebody else, left without its end. Returns an errno.
int EveFile::close_half_line() {
  if (!std::exchange(may_end_in_half_line_, false) || is_standard_output()) return 0;
  const int reader = ::open(given_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (reader < 0) return 0;  // it may be written, but not read: it cannot be told
  struct stat ours, its;
  char last = '\n';
  if (::fstat(fd_, &ours) == 0 && ::fstat(reader, &its) == 0 && ours.st_ino == its.st_ino && its.st_size > 0) {
    if (::pread(reader, &last, 1, its.st_size - 1) != 1) last = '\n';
  }
  ::close(reader);
  if (last == '\n' || write_once(fd_, "\n") == 1) return 0;
  may_end_in_half_line_ = true;
  return errno;
}

Taken EveFile::take_regular(std::string_view text) {
  if (const int error = close_half_line(); error != 0) return {0, error};
  struct stat before = {};
  (void)::fstat(fd_, &before);  // without it nothing is cut
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = write_once(fd_, text.substr(done));
    if (written < 0) {
      const int error = errno;
      return {cut_half_line(text.substr(0, done), before.st_size + static_cast<off_t>(done)), error};
    }
    done += static_cast<size_t>(written);
  }
  return {done, 0};
}

// `taken` ends the file at `end`, if nobody else has written: takes out what follows its last newline. Returns how many
// of its bytes are left there.
size_t EveFile::cut_half_line(std::string_view taken, off_t end) {
  const size_t newline = taken.rfind('\n');
  const size_t whole = newline == std::string_view::npos ? 0 : newline + 1;
  if (whole == taken.size()) return whole;
  const off_t whole_end = end - static_cast<off_t>(taken.size() - whole);
  const bool appends = (::fcntl(fd_, F_GETFL) & O_APPEND) != 0;
  struct stat status;
  if (::fstat(fd_, &status) != 0 || status.st_size != end) return taken.size();
  if (!appends && ::lseek(fd_, 0, SEEK_CUR) != end) return taken.size();
  if (::ftruncate(fd_, whole_end) != 0) return taken.size();
  if (!appends) (void)::lseek(fd_, whole_end, SEEK_SET);
  return whole;
}

Taken EveFile::take_stream(std::string_view text) {
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, static_cast<int>(kTargetWait.count())) <= 0) {
    const size_t unread = unread_bytes();
    const bool moves = unread < std::exchange(unread_, unread);
    return {0, moves ? 0 : EAGAIN};
  }
  if ((ready.revents & POLLERR) != 0 && kind_ == Kind::kPipe) return {0, EPIPE};
  const ssize_t written = write_once(fd_, atomic_piece(text));
  if (written < 0) return {0, errno};
  remember(text.substr(0, static_cast<size_t>(written)));
  unread_ = pipe_bytes_;
  return {static_cast<size_t>(written), 0};
}

void EveFile::remember(std::string_view taken) {
  if (pipe_bytes_ == 0) return;
  last_taken_ += taken;
  if (last_taken_.size() >= 2 * pipe_bytes_) last_taken_.erase(0, last_taken_.size() - pipe_bytes_);
}

size_t EveFile::unread_bytes() const {
  int bytes = 0;
  return ::ioctl(fd_, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

uint64_t EveFile::lines_unread() {
  if (fd_ < 0 || kind_ != Kind::kPipe) return 0;
  pollfd state{fd_, 0, 0};
  if (::poll(&state, 1, 0) <= 0 || (state.revents & POLLERR) == 0) return 0;  // it has a reader
  const size_t unread = std::min(unread_bytes(), last_taken_.size());
  return static_cast<uint64_t>(
      std::count(last_taken_.end() - static_cast<std::ptrdiff_t>(unread), last_taken_.end(), '\n'));
}

// The path leads to another file than the one that is open, or to none.
bool EveFile::elsewhere() const {
  struct stat ours, its;
  if (fd_ < 0 || ::fstat(fd_, &ours) != 0 || ::stat(given_path_.c_str(), &its) != 0) return true;
  return ours.st_dev != its.st_dev || ours.st_ino != its.st_ino;
}

Reopened EveFile::reopen(bool create) {
  if (is_standard_output() || !elsewhere()) return Reopened::kSame;
  struct stat status;
  const bool deleted = fd_ >= 0 && ::fstat(fd_, &status) == 0 && status.st_nlink == 0;
  const int fd = open_path(create || deleted ? O_CREAT : 0);
  if (fd < 0) {
    if (create && fd_ >= 0 && !std::exchange(said_that_reopening_failed_, true)) {
      log_warning("{}: {}; its old file is written to until it can be opened", path_, std::strerror(errno));
    }
    return Reopened::kFailed;
  }
  said_that_reopening_failed_ = false;
  const bool was_open = fd_ >= 0;
  adopt(fd);
  return was_open ? Reopened::kElsewhere : Reopened::kSame;
}

}  // namespace gatetape
