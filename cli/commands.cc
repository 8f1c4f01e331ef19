#include "cli/commands.h"

#include <algorithm>
#include <set>
#include <span>

#include "cli/output/help_text.h"
#include "common/log_style.h"
#include "common/nearest_word.h"
#include "common/version.h"

namespace gatetape {
namespace {

struct Subcommand {
  std::string_view name;
  MakeCommand make;                   // null for a group
  std::span<const Subcommand> group;  // "check" and "test" of "rules"
  const char* summary;
};

constexpr Subcommand kKeyCommands[] = {
    {"show", command_key_show, {}, "print the key's fingerprint and its public half"},
    {"rotate", command_key_rotate, {}, "replace the key by a new one that it signs"},
};

constexpr Subcommand kRulesCommands[] = {
    {"check", command_rules_check, {}, "say which rules load and why others do not"},
    {"test", command_rules_test, {}, "run pcap files through rules and show the alerts"},
};

constexpr Subcommand kCommands[] = {
    {"capture", command_capture, {}, "record a port or a pcap file: filter, reassemble, match, store"},
    {"extract", command_extract, {}, "write stored packets that an expression selects to a pcapng file"},
    {"search", command_search, {}, "look through stored flows, HTTP transactions and alerts"},
    {"show", command_show, {}, "all about one alert, transaction or flow: what was said, and what was around it"},
    {"stats", command_stats, {}, "the account: where every packet went, and what could not be seen"},
    {"verify", command_verify, {}, "check that a store is what was recorded and signed"},
    {"pin", command_pin, {}, "keep segments from being evicted, for a reason; list those that are kept"},
    {"unpin", command_unpin, {}, "let pinned segments go again"},
    {"key", nullptr, kKeyCommands, "show the key that signs, or replace it (key show, key rotate)"},
    {"rules", nullptr, kRulesCommands, "check rules, or test them against pcap files (rules check, rules test)"},
};

void print_commands(std::FILE* out, std::string_view prefix, std::span<const Subcommand> commands) {
  constexpr size_t kIndent = 11;
  fmt::print(out, "usage: {} COMMAND [options]\n\n", prefix);
  for (const Subcommand& command : commands) {
    fmt::print(out, "  {:<9}{}\n", command.name, wrapped(command.summary, terminal_columns(), kIndent));
  }
  fmt::print(out, "\n'{} COMMAND --help' explains a command.\n", prefix);
}

bool is_help(std::string_view word) {
  return word == "--help" || word == "-h" || word == "help";
}

// Finds and runs the command that argv[1] names.
int dispatch(const std::string& prefix, std::span<const Subcommand> commands, int argc, char** argv) {
  if (argc < 2) {
    print_commands(stderr, prefix, commands);
    return kExitUsage;
  }
  const std::string_view word = argv[1];
  if (is_help(word)) {
    print_commands(stdout, prefix, commands);
    return kExitDone;
  }
  const auto command = std::ranges::find(commands, word, &Subcommand::name);
  if (command == commands.end()) {
    std::vector<std::string_view> names;
    for (const Subcommand& known : commands) names.push_back(known.name);
    fmt::print(stderr, "{}: no such command: '{}'{}\n'{} --help' lists them.\n", prefix, word,
               did_you_mean(word, names), prefix);
    return kExitUsage;
  }
  if (command->make != nullptr) return run_command(command->make, argc - 1, argv + 1);
  return dispatch(fmt::format("{} {}", prefix, word), command->group, argc - 1, argv + 1);
}

void add_option_names(std::span<const Subcommand> commands, std::set<std::string>& names) {
  for (const Subcommand& subcommand : commands) {
    add_option_names(subcommand.group, names);
    if (subcommand.make == nullptr) continue;
    const std::unique_ptr<Command> command = subcommand.make();
    CommandLine line(command->text());
    command->add_options(line);
    for (const std::string_view name : line.option_names()) names.emplace(name);
  }
}

}  // namespace

int run_command(MakeCommand make, int argc, char** argv) {
  const std::unique_ptr<Command> command = make();
  CommandLine line(command->text());
  command->add_options(line);
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  return command->run(line);
}

int run_program(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "--version" || word == "-V") {
    fmt::print("gatetape {}\n", kVersion);
    return kExitDone;
  }
  if (service_log_style() == LogStyle::kJournal) set_log_style(LogStyle::kJournal);
  return dispatch("gatetape", kCommands, argc, argv);
}

std::vector<std::string> option_names_of_all_commands() {
  std::set<std::string> names;
  add_option_names(kCommands, names);
  return {names.begin(), names.end()};
}

}  // namespace gatetape
