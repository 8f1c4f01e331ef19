// The configuration file: options under the names of the command line, one 'name = value' per line.
//
//   # a comment; also behind a value
//   source  = if:eth1
//   ingress = 203.0.113.10, 2001:db8::/64      lists: commas, brackets over several lines, or the line again
//   rules   = [ "a b.rules",
//               c.rules ]
//   include hostile.conf                       relative to this file
//
// A value goes to the end of its line, or to a '#' after a blank. One that begins with a quote ends with it: in "..."
// are \" and \\ escapes, in '...' there are none. Pure functions but for reading files; any thread may call them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace gatetape {

struct ConfigPlace {
  std::string file;
  unsigned line = 0, column = 0;  // from 1; columns count characters

  std::string text() const { return fmt::format("{}:{}:{}", file, line, column); }
};

struct ConfigValue {
  std::string text;  // without quotes
  ConfigPlace place;
};

struct ConfigEntry {
  std::string name;
  ConfigPlace place;              // where the name stands
  ConfigValue whole;              // all that stands behind the '=', as one value; empty for a list in brackets
  std::vector<ConfigValue> list;  // the same as a list: split at commas outside of quotes
  bool in_brackets = false;
  unsigned depth = 0;  // 0: in the file itself, 1: in one that it includes, ...
};

// Reads the text of one file; an 'include' is an entry of that name. Errors begin with FILE:LINE:COLUMN.
Result<std::vector<ConfigEntry>> parse_config_text(std::string_view text, const std::string& file);

using ReadConfigFile = std::function<Result<std::string>(const std::string& path)>;
// Returns the content of a file of at most 1 MiB. The error names it.
Result<std::string> read_config_file(const std::string& path);

// Reads a file and all that it includes, in order. Fails for files that include each other in a circle.
Result<std::vector<ConfigEntry>> read_config(const std::string& path, const ReadConfigFile& read = read_config_file);

}  // namespace gatetape
