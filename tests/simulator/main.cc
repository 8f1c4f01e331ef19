// Runs histories (history.h), seed after seed, and stops at the first that breaks a law.
// usage: simulator [--seed N | --seeds FIRST..LAST] [--minutes M] [--keep-going]
//   --seed N      one history, with a trace of all that happens
//   --seeds A..B  histories A to B (default 1..300)
//   --minutes M   no new history is begun after so many minutes
//   --keep-going  goes on after a broken law
// Exit code: 0 all laws held, 1 one was broken, 2 usage.
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "tests/simulator/history.h"

namespace {

using gatetape::simulator::HistoryFacts;
using SteadyClock = std::chrono::steady_clock;

constexpr unsigned kSecondsMax = 60;  // a history takes milliseconds

std::atomic<uint64_t> current_seed{0};

// A crash or a hang of the program under test names its seed, too. Only what is allowed in a signal's handler.
extern "C" void name_the_seed(int signal) {
  char text[64] = "\nBROKEN: seed ";
  size_t end = std::strlen(text);
  char digits[24];
  size_t count = 0;
  for (uint64_t seed = current_seed; seed != 0 || count == 0; seed /= 10)
    digits[count++] = static_cast<char>('0' + seed % 10);
  while (count != 0) text[end++] = digits[--count];
  constexpr std::string_view kHang = ": hangs\n", kDies = ": the program dies\n";
  const std::string_view rest = signal == SIGALRM ? kHang : kDies;
  std::memcpy(text + end, rest.data(), rest.size());
  (void)!::write(STDOUT_FILENO, text, end + rest.size());
  ::_exit(1);
}

struct Options {
  uint64_t first = 1, last = 300;
  bool trace = false, keep_going = false;
  double minutes = 0;  // 0: no limit
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i++) {
    const std::string_view name = argv[i];
    if (name == "--keep-going") {
      options.keep_going = true;
      continue;
    }
    if (++i == argc) return false;
    char* end = nullptr;
    if (name == "--minutes") {
      options.minutes = std::strtod(argv[i], &end);
    } else if (name == "--seed") {
      options.first = options.last = std::strtoull(argv[i], &end, 10);
      options.trace = true;
    } else if (name == "--seeds") {
      options.first = std::strtoull(argv[i], &end, 10);
      if (!std::string_view(end).starts_with("..")) return false;
      options.last = std::strtoull(end + 2, &end, 10);
    } else {
      return false;
    }
    if (*end != '\0') return false;
  }
  return options.first <= options.last;
}

// Returns how many seeds broke a law.
uint64_t run(const Options& options) {
  const auto started = SteadyClock::now();
  const auto minutes = [&] {
    return std::chrono::duration<double, std::ratio<60>>(SteadyClock::now() - started).count();
  };
  HistoryFacts facts;
  uint64_t broken = 0, histories = 0;
  double said = 0;
  for (uint64_t seed = options.first; seed <= options.last; seed++) {
    if (options.minutes != 0 && minutes() >= options.minutes) break;
    current_seed = seed;
    ::alarm(kSecondsMax);
    const std::string law = gatetape::simulator::run_history(seed, options.trace, facts);
    histories++;
    if (!law.empty()) {
      broken++;
      fmt::print("BROKEN: seed {}: {}\n", seed, law);
      std::fflush(stdout);
      if (!options.keep_going) break;
    }
    if (minutes() - said >= 1) {
      said = minutes();
      fmt::print("{} histories, {:.0f} a minute\n", histories, static_cast<double>(histories) / said);
      std::fflush(stdout);
    }
  }
  ::alarm(0);
  fmt::print("{} histories in {:.1f} s ({:.0f} a minute), {} broke a law\n", histories, minutes() * 60,
             static_cast<double>(histories) / minutes(), broken);
  fmt::print("{} packets, {} runs, {} kills, {} power cuts, {} failed calls, {} evictions, {} extracts ({} complete)\n",
             facts.packets, facts.runs, facts.kills, facts.power_cuts, facts.failures, facts.evictions, facts.extracts,
             facts.complete);
  return broken;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    fmt::print(stderr, "usage: simulator [--seed N | --seeds FIRST..LAST] [--minutes M] [--keep-going]\n");
    return 2;
  }
  // Stores come and go by the thousand: clearing two megabytes for each would be most of the time.
  (void)::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  (void)::mallopt(M_MMAP_THRESHOLD, 8 << 20);  // verify's table of zeros costs no memory only as pages of its own
  (void)::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM}) ::signal(signal, name_the_seed);
  return run(options) == 0 ? 0 : 1;
}
