// Messages for the operator on stderr: "gatetape: warning: ...". Any thread may log; the packet path never does.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>

namespace gatetape {

enum class LogLevel { kInfo, kWarning, kError };

void log_message(LogLevel level, std::string_view message);
// Messages go to `sink` from now on; empty: to stderr again. For tests. Call it while nobody else logs.
void set_log_sink(std::function<void(LogLevel, std::string_view)> sink);

// The text as it is, to stderr. A reader of stderr that hangs does not stop the program: what it does not take within
// a fifth of a second is left out, and how many texts were is said once it reads again.
void write_to_stderr(std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace gatetape
