// What extract and search have in common on the command line: which store, which time, which expression.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "expression/expression.h"
#include "storage/read/store_reader.h"

namespace gatetape {

struct QueryOptions {
  std::vector<std::string> store;
  std::string since, until;
  std::string expression;  // of the arguments, and of --sid and --community-id where they exist

  void add_to(po::options_description& options);
  Result<TimeRange> range() const;
};

// The explanation of EXPR that both commands' help gives.
extern const char* const kExpressionHelp;

// --store: directories, each with commas or on its own.
Result<std::unique_ptr<StoreReader>> open_store(const std::vector<std::string>& store);

// Text of the traffic on a terminal: what is not printable becomes \xNN, so that nobody's Host header moves the cursor.
std::string printable(std::string_view text);

// Damage that was met, as warnings on stderr.
void warn_of_damage(const ReadStatistics& read);

}  // namespace gatetape
