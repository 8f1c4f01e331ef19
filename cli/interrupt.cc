#include "cli/interrupt.h"

#include <csignal>

namespace gatetape {

namespace {
std::atomic<bool> signal_seen{false};
std::atomic<uint32_t> hangups_seen{0}, reloads_seen{0};
// So that a signal handler may change them.
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

void note_signal(int) {
  signal_seen.store(true, std::memory_order_relaxed);
}

void note_hangup(int) {
  hangups_seen.fetch_add(1, std::memory_order_relaxed);
}

void note_reload(int) {
  reloads_seen.fetch_add(1, std::memory_order_relaxed);
}

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}
}  // namespace

void catch_hangups() {
  handle(SIGHUP, note_hangup, SA_RESTART);
}

const std::atomic<uint32_t>& hangup_count() {
  return hangups_seen;
}

const std::atomic<uint32_t>& catch_reloads() {
  handle(SIGUSR2, note_reload, SA_RESTART);
  return reloads_seen;
}

void catch_interrupts() {
  handle(SIGINT, note_signal, SA_RESETHAND);
  handle(SIGTERM, note_signal, SA_RESETHAND);
}

bool interrupted() {
  return signal_seen.load(std::memory_order_relaxed);
}

const std::atomic<bool>& interrupt_flag() {
  return signal_seen;
}

void ignore_write_signals() {
  handle(SIGPIPE, SIG_IGN, 0);
  handle(SIGXFSZ, SIG_IGN, 0);
}

}  // namespace gatetape
