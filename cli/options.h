// CommandLine reads the options of one subcommand, from its arguments and from a configuration file under the same
// names, and prints its help and its error messages. All subcommands use it and therefore behave alike.
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
  const char* usage;     // the words behind the command in the usage line
  const char* summary;   // sentences about the command, wrapped at 100 columns
  const char* examples;  // lines, each with its newline
};

class CommandLine {
 public:
  explicit CommandLine(CommandText text);

  // The options that the help shows. The subcommand adds its own before parse().
  po::options_description& options() { return visible_; }
  // Collects all arguments without an option's name as the option `name`; see words().
  void positional(const char* name);

  // Reads the arguments, then the file that --config names; an argument wins over the file. Returns an exit code when
  // the command ends here: 0 after printing the help to stdout, or 2 after printing to stderr what is wrong.
  [[nodiscard]] std::optional<int> parse(int argc, char** argv);

  bool has(const char* name) const { return values_.count(name) != 0; }
  std::vector<std::string> words(const char* name) const;
  // Returns the words joined by spaces, so that an expression need not be quoted on the command line.
  std::string joined(const char* name) const;

  // Prints what is wrong with the command line and where the help is. Returns exit code 2.
  int usage_error(std::string_view message) const;
  // Prints why the operation failed. Returns exit code 1.
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

// Splits each value at its commas and returns one list, without empty names: "DIR,DIR" equals two values.
std::vector<std::string> split_list(const std::vector<std::string>& values);

}  // namespace gatetape
