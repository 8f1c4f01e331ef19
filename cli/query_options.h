// The options that extract and search share: the store, the range of time and the expression.
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
  std::string expression;  // from the arguments

  void add_to(po::options_description& options);
  Result<TimeRange> range() const;  // from --since to --until
};

// The explanation of EXPR in the help of both commands.
extern const char* const kExpressionHelp;

// Opens the store in the directories that --store names. Each value may name several, separated by commas.
Result<std::unique_ptr<StoreReader>> open_store(const std::vector<std::string>& store);

// Makes text from traffic safe for a terminal: bytes that are not printable become \xNN, so that none moves the cursor.
std::string printable(std::string_view text);

// Warns on stderr of the damage that was met.
void warn_of_damage(const ReadStatistics& read);

}  // namespace gatetape
