// gatetape is one binary with one file per command.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "cli/commands.h"
#include "cli/interrupt.h"

namespace {

// Says what the present exception is about.
void say_why() {
  std::string why = "an unknown exception";
  try {
    throw;
  } catch (const std::bad_alloc&) {
    why = "out of memory";
  } catch (const std::system_error& error) {
    why = error.what();
    if (error.code() == std::errc::resource_unavailable_try_again) why = "out of memory, or of threads";
  } catch (const std::exception& error) {
    why = error.what();
  }
  std::fprintf(stderr, "gatetape: error: %s\n", why.c_str());
}

// An exception that nobody can catch: on another thread, or while threads of the one that it passes still run. Mostly
// the system gives no more memory or threads. It ends as if it were killed, which a store survives.
[[noreturn]] void end_at_once() {
  if (std::current_exception() == nullptr) {
    if (std::uncaught_exceptions() == 0) std::abort();  // a bug
    std::fputs("gatetape: error: out of memory, or of threads\n", stderr);
  } else {
    say_why();
  }
  std::_Exit(gatetape::kExitFailed);
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(end_at_once);
  gatetape::catch_hangups();
  try {
    return gatetape::run_program(argc, argv);
  } catch (...) {
    say_why();
  }
  return gatetape::kExitFailed;
}
