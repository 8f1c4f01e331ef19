// CommandLine reads the options of one command, from its arguments and from a configuration file under the same names,
// and prints its help and its error messages. All commands use it and therefore behave alike.
//
//   CommandLine line({.command = "extract", .usage = "--store DIR [EXPR] [options]",
//                     .summary = "Writes stored packets to a pcapng file.", .examples = "  gatetape extract ...\n"});
//   std::string since;
//   line.text("since", "T", since, "first instant wanted");
//   line.positional(words);
//   if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
//
// Variables are written by parse() and must outlive it.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config_text.h"
#include "common/result.h"

namespace gatetape {

struct CommandText {
  std::string command;   // as typed: "extract", "rules check"
  std::string usage;     // the words behind the command in the usage line
  std::string summary;   // paragraphs; lines that begin with a blank are kept as they are
  std::string examples;  // lines, each with its newline
};

// How the values of a list stand on one line. Repeating the option always adds to it.
enum class Separator { kComma, kNone };

class CommandLine {
 public:
  explicit CommandLine(CommandText text);

  // Takes one value; the error says what is wrong with it, without naming the option.
  using Take = std::function<Result<void>(const std::string& value)>;

  // The options. `name` may end in ",x" for a short form -x.
  void flag(std::string_view name, bool& on, std::string help);
  void text(std::string_view name, std::string_view value_name, std::string& value, std::string help);
  void list(std::string_view name, std::string_view value_name, std::vector<std::string>& values, std::string help,
            Separator separator = Separator::kComma);
  void choice(std::string_view name, std::string& value, std::vector<std::string> words, std::string help);
  template <std::integral T>
  void number(std::string_view name, std::string_view value_name, T& value, uint64_t low, uint64_t high,
              std::string help) {
    take_number(name, value_name, low, high, help + fmt::format(" (default: {})", value),
                [&value](uint64_t n) { value = static_cast<T>(n); });
  }
  void take(std::string_view name, std::string_view value_name, Take take, std::string help);
  void take_each(std::string_view name, std::string_view value_name, Take take, std::string help,
                 Separator separator = Separator::kComma);
  void take_number(std::string_view name, std::string_view value_name, uint64_t low, uint64_t high, std::string help,
                   std::function<void(uint64_t)> take);
  // Collects all arguments without an option's name.
  void positional(std::vector<std::string>& words) { positional_ = &words; }
  // Without this option the command line is wrong: "--store is missing: `why`".
  void require(std::string_view name, std::string why);
  // A configuration file does not give this option to this command: it is another command's.
  void not_from_config(std::string_view name);

  // Reads the arguments, then the file that --config names; an argument wins over the file. Returns an exit code when
  // the command ends here: 0 after printing the help to stdout, or 2 after printing to stderr what is wrong.
  [[nodiscard]] std::optional<int> parse(int argc, char** argv);
  // The same without printing. The arguments stand without the command's name.
  [[nodiscard]] Result<void> read(std::vector<std::string> arguments);
  const std::vector<std::string>& arguments() const { return arguments_; }

  // Whether an argument gave the option, not the file.
  bool given(std::string_view name) const;
  // Says where the option stands, for messages: "--filter", or "FILE:LINE:COLUMN: filter".
  std::string where(std::string_view name) const;
  // Returns the options that have other values in the other command line of the same command.
  std::vector<std::string> changed_options(const CommandLine& other) const;
  std::vector<std::string_view> option_names() const;  // those that may stand in a file

  // Prints what is wrong with the command line and where the help is. Returns exit code 2.
  int usage_error(std::string_view message) const;
  // Prints why the operation failed. Returns exit code 1.
  int failed(const Error& error) const;
  std::string help_text(size_t columns) const;

 private:
  enum class Kind { kFlag, kOne, kList };
  struct Option {
    std::string name, value_name, help;
    char letter = 0;
    Kind kind = Kind::kOne;
    Separator separator = Separator::kNone;
    std::function<void(bool)> set_flag;
    Take take;
    bool in_config = true;
    bool given = false;
    std::vector<std::string> values;  // in order, as they were read
    std::string required;             // why; empty: optional
    std::string place;                // in a file; empty: an argument, or not given
  };
  struct Argument {
    Option* option;
    std::string value;
  };

  Option& add(std::string_view name, std::string_view value_name, Kind kind, std::string help);
  Option* find(std::string_view name);
  const Option* find(std::string_view name) const;
  Option* find_letter(char letter);
  Result<void> read_arguments(std::vector<Argument>& found);
  Result<void> read_argument(size_t& at, std::vector<Argument>& found);
  Result<void> apply(Option& option, const std::string& value);
  Result<void> take_value(Option& option, const std::string& value);
  Result<void> apply_config();
  Result<void> apply_entry(Option& option, const ConfigEntry& entry);

  CommandText text_;
  std::vector<Option> options_;
  std::vector<std::string>* positional_ = nullptr;
  std::vector<std::string> arguments_;
  std::string config_;
  bool help_ = false;
};

// Splits each value at its commas and returns one list, without empty names: "DIR,DIR" equals two values.
std::vector<std::string> split_list(const std::vector<std::string>& values);
// Joins words, by default by blanks, so that an expression need not be quoted on the command line.
std::string joined(const std::vector<std::string>& words, std::string_view separator = " ");

}  // namespace gatetape
