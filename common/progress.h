// ProgressLine shows on stderr what long work is doing: from the third second on, once a second, at a terminal alone.
// The line goes when the object goes.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace gatetape {

class ProgressLine {
 public:
  // `say` returns the line, without the seconds, which are added. A thread of this object calls it.
  explicit ProgressLine(std::function<std::string()> say);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;

 private:
  void run();

  const std::function<std::string()> say_;
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  bool ended_ = false;
  std::thread thread_;  // none where stderr is no terminal
};

}  // namespace gatetape
