// Where EVE JSON goes: a file, appended to as Suricata does, or standard output. Used by the records thread.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "packet/records.h"

namespace gatetape {

class EveFile : public RecordSink {
 public:
  // Opens at once, so that a path that cannot be written is said before the capture starts. "-": standard output.
  static Result<std::unique_ptr<EveFile>> open(const std::string& path);
  ~EveFile() override;
  EveFile(const EveFile&) = delete;
  EveFile& operator=(const EveFile&) = delete;

  // Fails when the bytes could not be written (disk full, reader gone), with the path.
  Result<void> write(const RecordBatch& batch) override;

 private:
  EveFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
  std::string lines_;  // kept to be reused
};

}  // namespace gatetape
