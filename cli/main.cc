// gatetape is one binary with one file per command.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>

#include "cli/commands.h"
#include "cli/interrupt.h"

int main(int argc, char** argv) {
  gatetape::catch_hangups();
  try {
    return gatetape::run_program(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("gatetape: error: out of memory\n", stderr);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gatetape: error: {}\n", error.what());
  }
  return gatetape::kExitFailed;
}
