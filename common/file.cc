#include "common/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace gatetape {
namespace {

constexpr mode_t kFileRights = 0644, kDirectoryRights = 0755;
constexpr uint64_t kStatusBlockBytes = 512;  // stat(2)'s, whatever the file system's are
constexpr int kStopAsked_ms = 50;            // so often, while something is waited for

// Calls again what a signal interrupted. Not for ever: a file system that always says so is broken.
template <class Call>
auto uninterrupted(Call call) {
  constexpr int kTimesMax = 1000;
  auto returned = call();
  for (int i = 0; returned < 0 && errno == EINTR && i < kTimesMax; i++) returned = call();
  return returned;
}

FileStatus status_of(const struct stat& status) {
  FileStatus out;
  out.kind = S_ISREG(status.st_mode)   ? FileStatus::Kind::kRegular
             : S_ISDIR(status.st_mode) ? FileStatus::Kind::kDirectory
             : S_ISLNK(status.st_mode) ? FileStatus::Kind::kLink
                                       : FileStatus::Kind::kOther;
  out.bytes = static_cast<uint64_t>(status.st_size);
  out.allocated_bytes = static_cast<uint64_t>(status.st_blocks) * kStatusBlockBytes;
  out.rights = status.st_mode & 0777;
  out.owner = status.st_uid;
  out.group = status.st_gid;
  out.identity = {status.st_dev, status.st_ino};
  return out;
}

class SystemFile : public File {
 public:
  SystemFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~SystemFile() override { ::close(descriptor_); }
  SystemFile(const SystemFile&) = delete;

  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = uninterrupted([&] {
        return ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return failed();
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Result<void> write_at(uint64_t offset, std::span<const uint8_t> bytes) override {
    return write_all(bytes, [&](const uint8_t* at, size_t n, size_t done) {
      return ::pwrite(descriptor_, at, n, static_cast<off_t>(offset + done));
    });
  }

  Result<void> append(std::span<const uint8_t> bytes) override {
    return write_all(bytes, [&](const uint8_t* at, size_t n, size_t) { return ::write(descriptor_, at, n); });
  }

  Result<void> truncate(uint64_t bytes) override {
    if (uninterrupted([&] { return ::ftruncate(descriptor_, static_cast<off_t>(bytes)); }) != 0) return failed();
    return {};
  }

  Result<void> sync() override {
    if (uninterrupted([&] { return ::fdatasync(descriptor_); }) != 0) return failed();
    return {};
  }

  Result<FileStatus> status() override {
    struct stat status;
    if (::fstat(descriptor_, &status) != 0) return failed();
    return status_of(status);
  }

  Result<bool> lock() override {
    if (uninterrupted([&] { return ::flock(descriptor_, LOCK_EX | LOCK_NB); }) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    return failed();
  }

 protected:
  tl::unexpected<Error> failed() const { return fail_with(errno, "{}", path_); }

  template <class Write>
  Result<void> write_all(std::span<const uint8_t> bytes, Write write) {
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t n = uninterrupted([&] { return write(bytes.data() + done, bytes.size() - done, done); });
      if (n < 0) return failed();
      if (n == 0) return fail_with(EIO, "{}: nothing written", path_);
      done += static_cast<size_t>(n);
    }
    return {};
  }

  const int descriptor_;
  const std::string path_;  // as it was when it was opened
};

// A pipe, a socket or a device, whose reader may be slow or hang.
class SystemStream final : public SystemFile {
 public:
  SystemStream(int descriptor, std::string path, Stop stop)
      : SystemFile(descriptor, std::move(path)), stop_(std::move(stop)) {}

  // Piece by piece: a pipe that poll(2) calls ready takes so much at once, also from a handle that may wait.
  Result<void> append(std::span<const uint8_t> bytes) override {
    while (!bytes.empty()) {
      if (auto ready = wait_for_room(); !ready) return ready;
      const ssize_t n = ::write(descriptor_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
      if (n < 0 && errno != EAGAIN && errno != EINTR) return failed();
      bytes = bytes.subspan(static_cast<size_t>(std::max<ssize_t>(n, 0)));
    }
    return {};
  }

 private:
  Result<void> wait_for_room() {
    for (pollfd ready{descriptor_, POLLOUT, 0};;) {
      const int n = ::poll(&ready, 1, kStopAsked_ms);
      if (n > 0) return {};  // an error or an end, too: the write tells
      if (n < 0 && errno != EINTR) return failed();
      if (stop_ && stop_()) return tl::unexpected<Error>(Error{path_ + ": its reader takes nothing", ECANCELED});
    }
  }

  const Stop stop_;
};

class SystemFiles final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open_to_read(const std::string& path) override { return open_regular(path, O_RDONLY); }
  Result<std::unique_ptr<File>> open_to_change(const std::string& path) override { return open_regular(path, O_RDWR); }
  Result<std::unique_ptr<File>> create(const std::string& path) override {
    return open(path, O_RDWR | O_CREAT | O_EXCL);
  }

  Result<std::unique_ptr<File>> open_stream(const std::string& path, Stop stop) override {
    for (;;) {
      const int descriptor = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
      if (descriptor >= 0) return std::make_unique<SystemStream>(descriptor, path, std::move(stop));
      if (errno != EINTR && !(errno == ENXIO && is_pipe(path))) return fail_with(errno, "{}", path);
      if (stop && stop()) return tl::unexpected<Error>(Error{path + ": nobody reads this pipe", ECANCELED});
      (void)::poll(nullptr, 0, kStopAsked_ms);
    }
  }

  Result<std::unique_ptr<File>> open_directory(const std::string& path) override {
    return open(path, O_RDONLY | O_DIRECTORY);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    return done(::rename(from.c_str(), to.c_str()), to);
  }
  Result<void> remove(const std::string& path) override { return done(::unlink(path.c_str()), path); }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    return list_some(directory, SIZE_MAX);
  }

  Result<std::vector<std::string>> list_some(const std::string& directory, size_t names_max) override {
    DIR* open = ::opendir(directory.c_str());
    if (open == nullptr) return fail_with(errno, "{}", directory);
    std::vector<std::string> names;
    errno = 0;
    while (names.size() < names_max) {
      const dirent* entry = ::readdir(open);
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const int code = errno;
    ::closedir(open);
    if (code != 0) return fail_with(code, "{}", directory);
    return names;
  }

  Result<void> make_directories(const std::string& path) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      if (::mkdir(part.c_str(), kDirectoryRights) != 0 && !is_directory(part)) return fail_with(errno, "{}", part);
      if (end == std::string::npos) return {};
    }
  }

  Result<void> sync_directory(const std::string& path) override {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return fail_with(errno, "{}", path);
    const int code = uninterrupted([&] { return ::fsync(descriptor); }) != 0 ? errno : 0;
    ::close(descriptor);
    if (code != 0) return fail_with(code, "{}", path);
    return {};
  }

  Result<FileStatus> status(const std::string& path) override {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return fail_with(errno, "{}", path);
    return status_of(status);
  }

  Result<FileStatus> entry_status(const std::string& path) override {
    struct stat status;
    if (::lstat(path.c_str(), &status) != 0) return fail_with(errno, "{}", path);
    return status_of(status);
  }

  Result<void> set_rights(const std::string& path, uint32_t rights) override {
    return done(::chmod(path.c_str(), rights), path);
  }

  Result<FreeSpace> free_space(const std::string& path) override {
    struct statvfs status;
    if (::statvfs(path.c_str(), &status) != 0) return fail_with(errno, "{}", path);
    return FreeSpace{status.f_fsid, uint64_t{status.f_bavail} * status.f_frsize,
                     uint64_t{status.f_blocks} * status.f_frsize};
  }

 private:
  static Result<std::unique_ptr<File>> open(const std::string& path, int flags) {
    const int descriptor = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileRights); });
    if (descriptor < 0) return fail_with(errno, "{}", path);
    return std::make_unique<SystemFile>(descriptor, path);
  }

  // A pipe would wait for its other end, and a link lead out of the store.
  static Result<std::unique_ptr<File>> open_regular(const std::string& path, int flags) {
    auto file = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (!file) return file;
    auto status = (*file)->status();
    if (!status) return pass_on(status);
    if (status->kind != FileStatus::Kind::kRegular) return fail_with(EINVAL, "{}: not a regular file", path);
    return file;
  }

  static Result<void> done(int returned, const std::string& path) {
    if (returned != 0) return fail_with(errno, "{}", path);
    return {};
  }

  static bool is_pipe(const std::string& path) {
    struct stat status;
    return ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
  }

  // Leaves errno as it was.
  static bool is_directory(const std::string& path) {
    const int code = errno;
    struct stat status;
    const bool is = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    errno = code;
    return is;
  }
};

}  // namespace

FileSystem& system_files() {
  static SystemFiles files;
  return files;
}

Result<std::unique_ptr<File>> open_standard_output(Stop stop) {
  const char* const name = "standard output";
  const int descriptor = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);  // shares its position
  struct stat status;
  if (descriptor < 0) return fail_with(errno, "{}", name);
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  if (regular) return std::make_unique<SystemFile>(descriptor, name);
  return std::make_unique<SystemStream>(descriptor, name, std::move(stop));
}

bool is_out_of_space(const Error& error) {
  return error.code == ENOSPC || error.code == EDQUOT;
}

std::string_view file_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string parent_directory(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace gatetape
