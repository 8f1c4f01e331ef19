// The end of a command whose output nobody reads any more.
#pragma once

#include <csignal>
#include <cstdlib>

namespace gatetape {

// Ends the process as SIGPIPE does, without a word. For commands that ignore the signal, because they have something
// left to do when their reader goes away.
[[noreturn]] inline void end_by_broken_pipe() {
  (void)std::signal(SIGPIPE, SIG_DFL);
  (void)std::raise(SIGPIPE);
  constexpr int kSignalBase = 128;
  std::_Exit(kSignalBase + SIGPIPE);  // SIGPIPE is blocked
}

}  // namespace gatetape
