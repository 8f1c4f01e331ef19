#include "common/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "common/log.h"
#include "common/thread_name.h"

namespace gatetape {

ProgressLine::ProgressLine(std::function<std::string()> say) : say_(std::move(say)) {
  if (::isatty(STDERR_FILENO) != 0) thread_ = std::thread([this] { run(); });
}

ProgressLine::~ProgressLine() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ended_changed_.notify_one();
  thread_.join();
}

void ProgressLine::run() {
  name_this_thread("gt-progress");
  constexpr int kFirstSecond = 2;
  std::unique_lock lock(mutex_);
  for (int second = 1;; ++second) {
    if (ended_changed_.wait_for(lock, std::chrono::seconds(1), [this] { return ended_; })) {
      if (second > kFirstSecond) write_to_stderr("\r\x1b[K");
      return;
    }
    if (second >= kFirstSecond) write_to_stderr(fmt::format("\r\x1b[K{} ({} s)", say_(), second));
  }
}

}  // namespace gatetape
