// The command line of one subcommand: its options, from arguments and from a config file under the same names, its
// help, and what it says when they are wrong. Every subcommand is built on this, so that all behave alike.
//
//   CommandLine line({.command = "extract", .usage = "--store DIR [EXPR] [options]",
//                     .summary = "Writes stored packets to a pcapng file.", .examples = "  gatetape extract ...\n"});
//   std::string since;
//   line.options().add_options()("since", po::value(&since)->value_name("T"), "first instant wanted");
//   line.positional("expression");
//   if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace gatetape {

namespace po = boost::program_options;

struct CommandText {
  const char* command;   // as typed: "extract", "rules check"
  const char* usage;     // what follows it
  const char* summary;   // what it does and what one should know, wrapped at 100 columns
  const char* examples;  // lines, each with its newline
};

class CommandLine {
 public:
  explicit CommandLine(CommandText text);

  // Options shown in the help; add to it before parse().
  po::options_description& options() { return visible_; }
  // Arguments without a name, all of them, as the option `name` (a std::vector<std::string>; see words()).
  void positional(const char* name);

  // Reads arguments, then the file that --config names; an argument wins over the file. Returns the exit code when the
  // command ends here: --help was printed to stdout (0), or something was wrong and said on stderr (2).
  [[nodiscard]] std::optional<int> parse(int argc, char** argv);

  bool has(const char* name) const { return values_.count(name) != 0; }
  std::vector<std::string> words(const char* name) const;
  // The words joined by spaces: an expression need not be quoted on the command line.
  std::string joined(const char* name) const;

  // Says what is wrong with the command line and where the help is; returns exit code 2.
  int usage_error(std::string_view message) const;
  // Says why the operation failed; returns exit code 1.
  int failed(const Error& error) const;

 private:
  void read(int argc, char** argv);
  void read_config(const std::string& path);
  void print_help() const;

  CommandText text_;
  po::options_description visible_;
  po::options_description hidden_;
  po::positional_options_description positional_;
  po::variables_map values_;
};

// "DIR,DIR" or several --store: one list. Empty names are left out.
std::vector<std::string> split_list(const std::vector<std::string>& values);

}  // namespace gatetape
