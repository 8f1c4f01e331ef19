#include "storage/query/output_file.h"

#include <unistd.h>

#include <cerrno>

namespace gatetape {

namespace {
constexpr size_t kBufferBytes = 1 << 20;
}

OutputFile::OutputFile(FileSystem& files, std::string path, std::string temporary, std::unique_ptr<File> file)
    : files_(files), path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {
  buffer_.reserve(kBufferBytes);
}

Result<std::unique_ptr<OutputFile>> OutputFile::open(const std::string& path, FileSystem& files, Stop stop) {
  const auto status = path == "-" ? fail("standard output has no name") : files.status(path);
  const bool special = status && status->kind != FileStatus::Kind::kRegular;  // renaming would replace it
  const std::string temporary = path == "-" || special ? "" : fmt::format("{}.part-{}", path, ::getpid());
  auto file = path == "-" ? open_standard_output(std::move(stop))
              : special   ? files.open_stream(path, std::move(stop))
                          : files.create(temporary);
  if (!file && file.error().code == ECANCELED) return pass_on(file);
  if (!file && file.error().code != 0) return fail_with(file.error().code, "{}", path);  // by the user's name
  if (!file) return pass_on(file);
  return std::unique_ptr<OutputFile>(new OutputFile(files, path, temporary, std::move(*file)));
}

OutputFile::~OutputFile() {
  file_.reset();
  if (!temporary_.empty()) (void)files_.remove(temporary_);  // nobody is left to tell
}

// Names the file as its user does, not by its temporary name.
void OutputFile::note(const char* what, const Result<void>& result) {
  if (!status_ || result) return;
  status_ = result.error().code == ECANCELED ? result : fail_with(result.error().code, "{}: {}", path_, what);
}

void OutputFile::append(std::span<const uint8_t> bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) (void)flush();  // the error stays; status() tells it
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  bytes_ += bytes.size();
}

Result<void> OutputFile::flush() {
  if (status_ && !buffer_.empty()) note("write", file_->append(buffer_));
  buffer_.clear();
  return status_;
}

Result<void> OutputFile::finish() {
  (void)flush();  // the error stays
  if (temporary_.empty() || !status_) return status_;
  note("sync", file_->sync());
  if (status_) note("rename", files_.rename(temporary_, path_));
  if (status_) temporary_.clear();
  return status_;
}

}  // namespace gatetape
