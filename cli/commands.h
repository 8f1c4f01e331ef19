// The subcommands. Each takes its own arguments, with its name as argv[0], and returns the exit code of the process.
// Data goes to stdout, messages go to stderr.
#pragma once

namespace gatetape {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;        // the operation failed
inline constexpr int kExitUsage = 2;         // the command line is wrong; `rules check`: some rule does not load
inline constexpr int kExitNotComplete = 3;   // done, but not shown to be complete, which was asked for
inline constexpr int kExitUnsignedTail = 3;  // verify: sound, but for what a run has not signed

int command_capture(int argc, char** argv);
int command_extract(int argc, char** argv);
int command_search(int argc, char** argv);
int command_stats(int argc, char** argv);
int command_verify(int argc, char** argv);
int command_pin(int argc, char** argv);
int command_unpin(int argc, char** argv);
int command_key_show(int argc, char** argv);
int command_key_rotate(int argc, char** argv);
int command_rules_test(int argc, char** argv);
int command_rules_check(int argc, char** argv);

}  // namespace gatetape
