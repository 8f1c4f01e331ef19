#include "common/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>

namespace gatetape {
namespace {

constexpr int kPatience_ms = 200;

std::atomic<uint64_t> left_out{0};
std::function<void(LogLevel, std::string_view)> log_sink;

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

void log_message(LogLevel level, std::string_view message) {
  if (log_sink) return log_sink(level, message);
  const char* word = level == LogLevel::kWarning ? "warning: " : level == LogLevel::kError ? "error: " : "";
  // One write per message, so that the lines of several threads do not mix.
  write_to_stderr(fmt::format("gatetape: {}{}\n", word, message));
}

}  // namespace gatetape
