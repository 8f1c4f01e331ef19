#include "cli/options.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cli/commands.h"

namespace gatetape {

CommandLine::CommandLine(CommandText text) : text_(text), visible_("Options", 100, 60) {
  visible_.add_options()("help,h", "show this help")  //
      ("config", po::value<std::string>()->value_name("FILE"), "read options from FILE, one 'name = value' per line");
}

void CommandLine::positional(const char* name) {
  hidden_.add_options()(name, po::value<std::vector<std::string>>());
  positional_.add(name, -1);
}

std::optional<int> CommandLine::parse(int argc, char** argv) {
  try {
    read(argc, argv);
    if (has("help")) {
      print_help();
      return kExitDone;
    }
    if (has("config")) read_config(values_["config"].as<std::string>());
    po::notify(values_);
  } catch (const po::unknown_option& e) {
    return usage_error(fmt::format("unknown option {}", e.get_option_name()));
  } catch (const po::error& e) {
    return usage_error(e.what());
  }
  return std::nullopt;
}

void CommandLine::read(int argc, char** argv) {
  po::options_description all;
  all.add(visible_).add(hidden_);
  const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
  po::store(po::command_line_parser(argc, argv).options(all).positional(positional_).style(style).run(), values_);
}

void CommandLine::read_config(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw po::error(fmt::format("--config {}: {}", path, std::strerror(errno)));
  po::options_description all;
  all.add(visible_).add(hidden_);
  try {
    po::store(po::parse_config_file(file, all), values_);
  } catch (const po::unknown_option& e) {
    throw po::error(fmt::format("{}: unknown option '{}'", path, e.get_option_name()));
  } catch (const po::error& e) {
    throw po::error(fmt::format("{}: {}", path, e.what()));
  }
}

void CommandLine::print_help() const {
  std::ostringstream options;
  options << visible_;
  fmt::print("Usage: gatetape {} {}\n\n{}\n\n{}\nExamples:\n{}", text_.command, text_.usage, text_.summary,
             options.str(), text_.examples);
}

std::vector<std::string> CommandLine::words(const char* name) const {
  return has(name) ? values_[name].as<std::vector<std::string>>() : std::vector<std::string>();
}

std::string CommandLine::joined(const char* name) const {
  std::string text;
  for (const std::string& word : words(name)) text += (text.empty() ? "" : " ") + word;
  return text;
}

int CommandLine::usage_error(std::string_view message) const {
  fmt::print(stderr, "gatetape {}: {}\nTry 'gatetape {} --help'.\n", text_.command, message, text_.command);
  return kExitUsage;
}

int CommandLine::failed(const Error& error) const {
  fmt::print(stderr, "gatetape {}: {}\n", text_.command, error.message);
  return kExitFailed;
}

std::vector<std::string> split_list(const std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (const std::string& value : values) {
    for (size_t begin = 0; begin <= value.size();) {
      const size_t end = std::min(value.find(',', begin), value.size());
      if (end > begin) parts.push_back(value.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return parts;
}

}  // namespace gatetape
