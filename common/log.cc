#include "common/log.h"

#include <cstdio>

namespace gatetape {

void log_message(LogLevel level, std::string_view message) {
  const char* word = level == LogLevel::kWarning ? "warning: " : level == LogLevel::kError ? "error: " : "";
  // One write per message, so that the lines of several threads do not mix.
  const std::string line = fmt::format("gatetape: {}{}\n", word, message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace gatetape
