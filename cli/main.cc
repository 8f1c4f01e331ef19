// gatetape is one binary with one file per subcommand. This file finds the subcommand by name.
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "common/version.h"

namespace {

using namespace gatetape;

struct Subcommand {
  std::string_view name;
  int (*run)(int argc, char** argv);
  const char* summary;
};

constexpr Subcommand kCommands[] = {
    {"capture", command_capture, "record a port or a pcap file: filter, reassemble, match, store"},
    {"extract", command_extract, "write stored packets that an expression selects to a pcapng file"},
    {"search", command_search, "look through stored flows, HTTP transactions and alerts"},
    {"stats", command_stats, "the account: where every packet went, and what could not be seen"},
    {"verify", command_verify, "check that a store is what was recorded and signed"},
    {"pin", command_pin, "keep segments from being evicted, for a reason; list those that are kept"},
    {"unpin", command_unpin, "let pinned segments go again"},
    {"key", nullptr, "show the key that signs, or replace it (key show, key rotate)"},
    {"rules", nullptr, "check rules, or test them against pcap files (rules check, rules test)"},
};

constexpr Subcommand kKeyCommands[] = {
    {"show", command_key_show, "print the key's fingerprint and its public half"},
    {"rotate", command_key_rotate, "replace the key by a new one that it signs"},
};

constexpr Subcommand kRulesCommands[] = {
    {"check", command_rules_check, "say which rules load and why others do not"},
    {"test", command_rules_test, "run pcap files through rules and show the alerts"},
};

template <size_t n>
const Subcommand* find(const Subcommand (&commands)[n], std::string_view name) {
  for (const Subcommand& command : commands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

template <size_t n>
void print_commands(std::FILE* out, const char* prefix, const Subcommand (&commands)[n]) {
  fmt::print(out, "Usage: {} COMMAND [options]\n\n", prefix);
  for (const Subcommand& command : commands) fmt::print(out, "  {:<9}{}\n", command.name, command.summary);
  fmt::print(out, "\n'{} COMMAND --help' explains a command.\n", prefix);
}

bool is_help(std::string_view word) {
  return word == "--help" || word == "-h" || word == "help";
}

// Finds and runs the subcommand that argv[1] names.
template <size_t n>
int dispatch(const char* prefix, const Subcommand (&commands)[n], int argc, char** argv) {
  if (argc < 2) {
    print_commands(stderr, prefix, commands);
    return kExitUsage;
  }
  if (is_help(argv[1])) {
    print_commands(stdout, prefix, commands);
    return kExitDone;
  }
  const Subcommand* command = find(commands, argv[1]);
  if (command == nullptr) {
    fmt::print(stderr, "{}: no such command: '{}'\n'{} --help' lists them.\n", prefix, argv[1], prefix);
    return kExitUsage;
  }
  if (command->run == nullptr && command->name == "key") {
    return dispatch("gatetape key", kKeyCommands, argc - 1, argv + 1);
  }
  if (command->run == nullptr) return dispatch("gatetape rules", kRulesCommands, argc - 1, argv + 1);
  return command->run(argc - 1, argv + 1);
}

}  // namespace

int main(int argc, char** argv) {
  catch_hangups();
  try {
    if (argc > 1 && (std::strcmp(argv[1], "--version") == 0 || std::strcmp(argv[1], "-V") == 0)) {
      fmt::print("gatetape {}\n", kVersion);
      return kExitDone;
    }
    return dispatch("gatetape", kCommands, argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("gatetape: error: out of memory\n", stderr);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gatetape: error: {}\n", error.what());
  }
  return kExitFailed;
}
