#include "export/eve_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "export/eve.h"

namespace gatetape {

Result<std::unique_ptr<EveFile>> EveFile::open(const std::string& path) {
  if (path == "-") return std::unique_ptr<EveFile>(new EveFile("standard output", STDOUT_FILENO));
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return fail("{}: {}", path, std::strerror(errno));
  return std::unique_ptr<EveFile>(new EveFile(path, fd));
}

EveFile::~EveFile() {
  if (fd_ != STDOUT_FILENO) ::close(fd_);
}

Result<void> EveFile::write(const RecordBatch& batch) {
  lines_.clear();
  Result<void> read = for_each_record(batch.bytes(), [&](const Record& record) {
    append_eve(lines_, record);
    lines_.push_back('\n');
  });
  if (!read) return read;
  for (size_t done = 0; done < lines_.size();) {
    const ssize_t written = ::write(fd_, lines_.data() + done, lines_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail("{}: {}", path_, std::strerror(errno));
    done += static_cast<size_t>(written);
  }
  return {};
}

}  // namespace gatetape
