// The target for EVE JSON: a file, appended to as Suricata does, a named pipe, or standard output ("-").
//
// A regular file holds whole lines only: a line that a full disk cuts is taken out again, and a half line that somebody
// else left at the end is closed before the first line is written. A pipe may be opened before it has a reader, keeps
// what is in it when its reader goes away, and gives it to the next one. Files are made with mode 0640 less the umask.
#pragma once

#include <sys/types.h>

#include <string>

#include "export/outlet_target.h"

namespace gatetape {

class EveFile : public OutletTarget {
 public:
  explicit EveFile(const std::string& path);  // "-": standard output
  ~EveFile() override;
  EveFile(const EveFile&) = delete;
  EveFile& operator=(const EveFile&) = delete;

  const std::string& path() const override { return path_; }
  // Says on stderr when the file holds records already.
  Result<void> open() override;
  void render(std::string& out, const Record& record) override;
  Taken take(std::string_view text) override;
  Reopened reopen(bool create) override;
  uint64_t lines_unread() override;

 private:
  enum class Kind { kRegular, kPipe, kOther };

  bool is_standard_output() const { return given_path_ == "-"; }
  int open_path(int more_flags);
  void adopt(int fd);
  void drop();
  int close_half_line();
  bool elsewhere() const;
  Taken take_regular(std::string_view text);
  Taken take_stream(std::string_view text);
  size_t cut_half_line(std::string_view taken, off_t end);
  void remember(std::string_view taken);
  size_t unread_bytes() const;

  const std::string given_path_;
  std::string path_;
  int fd_ = -1;  // -1: not open yet, or gone
  Kind kind_ = Kind::kOther;
  bool may_end_in_half_line_ = false;
  std::string last_taken_;  // pipes: as many bytes as may lie in the pipe
  size_t pipe_bytes_ = 0;
  size_t unread_ = 0;  // when last asked
  bool said_that_reopening_failed_ = false;
};

}  // namespace gatetape
