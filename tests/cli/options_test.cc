#include "cli/options.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "cli/commands.h"

using namespace gatetape;

namespace {

// A command line as main() gets it, read by a small subcommand.
struct Parsed {
  std::string since, write = "-";
  std::vector<std::string> store;
  std::optional<int> exit_code;
  std::string expression;

  explicit Parsed(std::vector<std::string> arguments) {
    std::vector<char*> argv = {name_};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    CommandLine line({.command = "example", .usage = "", .summary = "", .examples = ""});
    line.options().add_options()("since", po::value(&since))("write,w", po::value(&write))(
        "store", po::value(&store)->composing());
    line.positional("expression");
    exit_code = line.parse(static_cast<int>(argv.size()), argv.data());
    expression = line.joined("expression");
  }

 private:
  char name_[8] = "example";
};

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    const int file = mkstemp(path_);
    REQUIRE(file >= 0);
    close(file);
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { unlink(path_); }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/gatetape-config-XXXXXX";
};

}  // namespace

TEST_CASE("values that look like options are values") {
  const Parsed parsed({"--since", "-2h", "-w", "-", "host", "10.0.0.1", "and", "port", "80"});
  CHECK_FALSE(parsed.exit_code);
  CHECK(parsed.since == "-2h");
  CHECK(parsed.write == "-");
  CHECK(parsed.expression == "host 10.0.0.1 and port 80");
}

TEST_CASE("an unknown option, a missing value and an abbreviation are wrong command lines") {
  CHECK(Parsed({"--sinse", "x"}).exit_code == kExitUsage);
  CHECK(Parsed({"--since"}).exit_code == kExitUsage);
  CHECK(Parsed({"--sin", "x"}).exit_code == kExitUsage);
  CHECK(Parsed({"--config", "/nonexistent/file"}).exit_code == kExitUsage);
}

TEST_CASE("a config file gives what the arguments do not") {
  const ConfigFile config("# store and time\nsince = -1h\nstore = /a\nstore = /b\nwrite = x\n");
  const Parsed parsed({"--config", config.path(), "-w", "y"});
  CHECK_FALSE(parsed.exit_code);
  CHECK(parsed.since == "-1h");
  CHECK(parsed.write == "y");
  CHECK(parsed.store == std::vector<std::string>{"/a", "/b"});
  const ConfigFile wrong("sinse = 1\n");
  CHECK(Parsed({"--config", wrong.path()}).exit_code == kExitUsage);
}

TEST_CASE("lists are split at commas") {
  CHECK(split_list({"a,b", "c", "", ",d,"}) == std::vector<std::string>{"a", "b", "c", "d"});
}
