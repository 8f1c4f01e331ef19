#include "cli/options.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "cli/commands.h"
#include "cli/output/help_text.h"

using namespace gatetape;

namespace {

// A command line as main() gets it, read by a small subcommand.
struct Parsed {
  std::string since, write = "-", mode = "fast";
  std::vector<std::string> store, rules;
  unsigned workers = 1;
  bool strict = false;
  std::vector<std::string> words;
  std::string error;

  explicit Parsed(std::vector<std::string> arguments) {
    CommandLine line({.command = "example", .usage = "", .summary = "", .examples = ""});
    line.text("since", "T", since, "");
    line.text("write,w", "FILE", write, "");
    line.choice("mode", mode, {"fast", "slow"}, "");
    line.list("store", "DIR", store, "");
    line.list("rules", "FILE", rules, "", Separator::kNone);
    line.number("workers", "N", workers, 1, 64, "");
    line.flag("strict", strict, "");
    line.positional(words);
    if (Result<void> read = line.read(std::move(arguments)); !read) error = read.error().message;
  }
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
  CHECK(parsed.error.empty());
  CHECK(parsed.since == "-2h");
  CHECK(parsed.write == "-");
  CHECK(joined(parsed.words) == "host 10.0.0.1 and port 80");
  CHECK(Parsed({"-wx", "--since=a=b", "--", "--strict"}).words == std::vector<std::string>{"--strict"});
  CHECK(Parsed({"--since=a=b"}).since == "a=b");
}

TEST_CASE("a wrong command line names the option, and the nearest one") {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--sinse", "x"}, "unknown option '--sinse'; did you mean '--since'?"},
      {{"--sin", "x"}, "unknown option '--sin'; did you mean '--since'?"},
      {{"--zzz"}, "unknown option '--zzz'"},
      {{"-x"}, "unknown option '-x'"},
      {{"--since"}, "--since needs a value: T"},
      {{"--since", "--strict"}, "--since needs a value: T"},
      {{"--since", "1", "--since=2"}, "--since is given twice"},
      {{"--strict=1"}, "--strict takes no value"},
      {{"--mode", "fats"}, "--mode fats: expected fast|slow; did you mean 'fast'?"},
      {{"--workers", "65"}, "--workers 65: expected a number from 1 to 64"},
      {{"--workers", "-1"}, "--workers -1: expected a number from 1 to 64"},
      {{"--workers", "2x"}, "--workers 2x: expected a number from 1 to 64"},
      {{"--config", "/nonexistent/file"}, "--config /nonexistent/file: No such file or directory"},
  };
  for (const auto& [arguments, message] : cases) CHECK(Parsed(arguments).error == message);
}

TEST_CASE("a config file gives what the arguments do not") {
  const ConfigFile config(
      "# store and time\nsince = -1h # comment\nstore = /a, /b\nstore = [ \"/c d\",\n /e ]\nwrite = x\nstrict = yes\n"
      "rules = a, b\ncheckpoint-to = 'of capture'\n");
  const Parsed parsed({"--config", config.path(), "-w", "y"});
  CHECK(parsed.error.empty());
  CHECK(parsed.since == "-1h");
  CHECK(parsed.write == "y");
  CHECK(parsed.strict);
  CHECK(parsed.store == std::vector<std::string>{"/a", "/b", "/c d", "/e"});
  CHECK(parsed.rules == std::vector<std::string>{"a, b"});
  CHECK(Parsed({"--config", config.path(), "--store", "/z"}).store == std::vector<std::string>{"/z"});
}

TEST_CASE("errors of a config file have file, line and column") {
  const std::pair<const char*, const char*> cases[] = {
      {"\n  sinse = 1\n", ":2:3: unknown option 'sinse'; did you mean 'since'?"},
      {"workers = 1\nworkers = 2\n", ":2:1: workers stands at FILE:1:11 already"},
      {"workers =   65 # many\n", ":1:13: workers 65: expected a number from 1 to 64"},
      {"strict = perhaps\n", ":1:10: strict perhaps: expected yes or no"},
      {"since = [ 1 ]\n", ":1:9: since takes one value"},
      {"help = yes\n", ":1:1: unknown option 'help'"},
  };
  for (const auto& [text, message] : cases) {
    const ConfigFile config(text);
    std::string expected = config.path() + message;
    if (const size_t at = expected.find("FILE"); at != std::string::npos) expected.replace(at, 4, config.path());
    CHECK(Parsed({"--config", config.path()}).error == expected);
  }
}

TEST_CASE("lists are split at commas") {
  CHECK(split_list({"a,b", "c", "", ",d,"}) == std::vector<std::string>{"a", "b", "c", "d"});
}

TEST_CASE("text is wrapped by characters") {
  CHECK(wrapped("one two three", 8) == "one two\nthree");
  CHECK(wrapped("ünö twö three", 7) == "ünö twö\nthree");
  CHECK(wrapped("one two", 6, 2) == "one\n  two");
  CHECK(wrapped("one\ntwo\n\nthree\n  kept   as is\nfour", 80) == "one two\n\nthree\n  kept   as is\nfour");
  CHECK(wrapped("averylongword x", 4) == "averylongword\nx");
}
