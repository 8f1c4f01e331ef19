// The subcommands. Each gets its own arguments (argv[0] is the subcommand's name) and returns the exit code of the
// process: 0 done, 1 the operation failed, 2 the command line is wrong. Data goes to stdout, messages to stderr.
#pragma once

namespace gatetape {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

int command_capture(int argc, char** argv);
int command_extract(int argc, char** argv);
int command_search(int argc, char** argv);
int command_stats(int argc, char** argv);
int command_rules_test(int argc, char** argv);
int command_rules_check(int argc, char** argv);

}  // namespace gatetape
