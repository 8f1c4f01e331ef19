#include "common/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gatetape {

Result<File> File::open(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (descriptor < 0) return fail("{}: {}", path, std::strerror(errno));
  return File(descriptor, path);
}

Result<File> File::open_to_read(const std::string& path) {
  return open(path, O_RDONLY);
}
Result<File> File::open_to_change(const std::string& path) {
  return open(path, O_RDWR);
}
Result<File> File::create(const std::string& path) {
  return open(path, O_RDWR | O_CREAT | O_EXCL);
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

size_t File::read_at(uint64_t offset, std::span<uint8_t> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Result<void> File::write_at(uint64_t offset, std::span<const uint8_t> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("{}: {}", path_, std::strerror(errno));
    if (n == 0) return fail("{}: nothing written", path_);
    done += static_cast<size_t>(n);
  }
  return {};
}

Result<void> File::truncate(uint64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) return fail("{}: {}", path_, std::strerror(errno));
  return {};
}

Result<void> File::sync() {
  if (::fdatasync(descriptor_) != 0) return fail("{}: {}", path_, std::strerror(errno));
  return {};
}

uint64_t File::size() const {
  struct stat status;
  return ::fstat(descriptor_, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

Result<void> sync_directory(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return fail("{}: {}", path, std::strerror(errno));
  const int failed = ::fsync(descriptor) != 0 ? errno : 0;
  ::close(descriptor);
  if (failed != 0) return fail("{}: {}", path, std::strerror(failed));
  return {};
}

}  // namespace gatetape
