#include "common/log.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/log_style.h"
#include "common/time_text.h"

namespace gatetape {
namespace {

constexpr int kPatience_ms = 200;

std::atomic<uint64_t> left_out{0};
std::function<void(LogLevel, std::string_view)> log_sink;
LogStyle log_style = LogStyle::kPlain;

// Returns the words before a line: the priority of syslog, the time to the millisecond, or nothing.
std::string before_line(LogLevel level) {
  if (log_style == LogStyle::kPlain) return "";
  if (log_style == LogStyle::kJournal) {
    return level == LogLevel::kError ? "<3>" : level == LogLevel::kWarning ? "<4>" : "<6>";
  }
  constexpr size_t kToMilliseconds = 23;
  return format_time(wall_clock_ns()).substr(0, kToMilliseconds) + "Z ";
}

// Once poll() says so, a pipe takes PIPE_BUF bytes without waiting.
bool write_pieces(std::string_view text) {
  while (!text.empty()) {
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    const int polled = ::poll(&ready, 1, kPatience_ms);
    if (polled == 0 || (polled < 0 && errno != EINTR)) return false;
    const ssize_t written = ::write(STDERR_FILENO, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

void write_to_stderr(std::string_view text) {
  if (const uint64_t before = left_out.exchange(0); before != 0) {
    if (!write_pieces(fmt::format("gatetape: warning: {} messages before this could not be written\n", before))) {
      left_out += before;
    }
  }
  if (!write_pieces(text)) ++left_out;
}

void set_log_sink(std::function<void(LogLevel, std::string_view)> sink) {
  log_sink = std::move(sink);
}

LogStyle service_log_style() {
  struct stat status {};
  const char* stream = std::getenv("JOURNAL_STREAM");  // "DEVICE:INODE"
  if (stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
      fmt::format("{}:{}", status.st_dev, status.st_ino) == stream) {
    return LogStyle::kJournal;
  }
  return ::isatty(STDERR_FILENO) != 0 ? LogStyle::kPlain : LogStyle::kTimes;
}

void set_log_style(LogStyle style) {
  log_style = style;
}

// One write per message, so that the lines of several threads do not mix.
void log_lines(LogLevel level, std::string_view lines) {
  const std::string before = before_line(level);
  std::string text;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    text += fmt::format("{}{}\n", before, lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  write_to_stderr(text);
}

void log_message(LogLevel level, std::string_view message) {
  if (log_sink) return log_sink(level, message);
  const char* word = level == LogLevel::kWarning ? "warning: " : level == LogLevel::kError ? "error: " : "";
  log_lines(level, fmt::format("gatetape: {}{}", word, message));
}

}  // namespace gatetape
