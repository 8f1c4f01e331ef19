// The commands. Each reads options and runs; data goes to stdout, messages go to stderr.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"

namespace gatetape {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;        // the operation failed
inline constexpr int kExitUsage = 2;         // the command line is wrong; `rules check`: some rule does not load
inline constexpr int kExitNotComplete = 3;   // done, but not shown to be complete, which was asked for
inline constexpr int kExitUnsignedTail = 3;  // verify: sound, but for what a run has not signed

class Command {
 public:
  virtual ~Command() = default;
  virtual CommandText text() const = 0;
  virtual void add_options(CommandLine& line) = 0;
  // Runs with the options that were read. Returns the exit code of the process.
  virtual int run(const CommandLine& line) = 0;
};

using MakeCommand = std::unique_ptr<Command> (*)();

std::unique_ptr<Command> command_capture();
std::unique_ptr<Command> command_extract();
std::unique_ptr<Command> command_search();
std::unique_ptr<Command> command_show();
std::unique_ptr<Command> command_stats();
std::unique_ptr<Command> command_verify();
std::unique_ptr<Command> command_pin();
std::unique_ptr<Command> command_unpin();
std::unique_ptr<Command> command_key_show();
std::unique_ptr<Command> command_key_rotate();
std::unique_ptr<Command> command_rules_test();
std::unique_ptr<Command> command_rules_check();

// Reads the arguments and runs the command. argv[0] is its name.
int run_command(MakeCommand make, int argc, char** argv);
// Runs the program: finds the command that argv[1] names.
int run_program(int argc, char** argv);
// Returns the options of all commands that may stand in a configuration file.
std::vector<std::string> option_names_of_all_commands();

}  // namespace gatetape
