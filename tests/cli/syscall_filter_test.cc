#include "cli/syscall_filter.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <thread>

using namespace gatetape;

namespace {

bool is_forbidden(int result) {
  return result == -1 && errno == EPERM;
}

// Runs in a process of its own, since nothing undoes it. A thread that was there before is asked, too.
int try_forbidden_calls() {
  std::atomic<bool> filtered{false};
  bool thread_forbidden = false;
  std::thread before([&] {
    while (!filtered) std::this_thread::yield();
    thread_forbidden = is_forbidden(::unshare(CLONE_FS));
  });
  (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const bool done = forbid_system_calls().has_value();
  filtered = true;
  before.join();
  if (!done) return 2;
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  const bool forbidden = is_forbidden(::execve(program, arguments, nullptr)) && is_forbidden(::setuid(65534)) &&
                         is_forbidden(::unshare(CLONE_FS)) && thread_forbidden;
  std::FILE* file = std::tmpfile();  // files and threads are still there
  bool thread_ran = false;
  std::thread([&] { thread_ran = true; }).join();
  return forbidden && file != nullptr && thread_ran ? 0 : 1;
}

}  // namespace

TEST_CASE("forbidden system calls fail on all threads, and the others do not") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(try_forbidden_calls());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
