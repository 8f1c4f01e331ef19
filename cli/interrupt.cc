#include "cli/interrupt.h"

#include <csignal>

namespace gatetape {

namespace {
std::atomic<bool> signal_seen{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // so that a signal handler may set it

void note_signal(int) {
  signal_seen.store(true, std::memory_order_relaxed);
}
}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
  return signal_seen.load(std::memory_order_relaxed);
}

const std::atomic<bool>& interrupt_flag() {
  return signal_seen;
}

}  // namespace gatetape
