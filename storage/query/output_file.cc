#include "storage/query/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gatetape {

namespace {
constexpr size_t kBufferBytes = 1 << 20;
}

OutputFile::OutputFile(std::string path, std::string temporary, int descriptor)
    : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {
  buffer_.reserve(kBufferBytes);
}

Result<std::unique_ptr<OutputFile>> OutputFile::open(const std::string& path) {
  if (path == "-") return std::unique_ptr<OutputFile>(new OutputFile("standard output", "", STDOUT_FILENO));
  struct stat existing;
  const bool special = ::stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode);
  if (special) {  // a pipe or a device is written as it is: renaming would replace it
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return fail("{}: {}", path, std::strerror(errno));
    return std::unique_ptr<OutputFile>(new OutputFile(path, "", descriptor));
  }
  const std::string temporary = fmt::format("{}.part-{}", path, ::getpid());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0) return fail("{}: {}", temporary, std::strerror(errno));
  return std::unique_ptr<OutputFile>(new OutputFile(path, temporary, descriptor));
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0 && descriptor_ != STDOUT_FILENO) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::note_error(const char* what) {
  if (error_.empty()) error_ = fmt::format("{}: {}: {}", path_, what, std::strerror(errno));
}

Result<void> OutputFile::status() const {
  if (!error_.empty()) return fail("{}", error_);
  return {};
}

void OutputFile::append(std::span<const uint8_t> bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) (void)flush();  // the error stays; status() tells it
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  bytes_ += bytes.size();
}

Result<void> OutputFile::flush() {
  for (size_t done = 0; done < buffer_.size() && error_.empty();) {
    const ssize_t written = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno != EINTR) {
      note_error("write");
    }
  }
  buffer_.clear();
  return status();
}

Result<void> OutputFile::finish() {
  (void)flush();  // status() below tells
  if (temporary_.empty() || !error_.empty()) return status();
  if (::fsync(descriptor_) != 0) note_error("sync");
  if (::close(descriptor_) != 0) note_error("close");
  descriptor_ = -1;
  if (error_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0) note_error("rename");
  if (error_.empty()) temporary_.clear();
  return status();
}

}  // namespace gatetape
