// The options that extract and search share: the store, the range of time and the expression.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/output/terminal.h"
#include "expression/expression.h"
#include "storage/read/store_reader.h"

namespace gatetape {

struct QueryOptions {
  std::vector<std::string> store;
  TimeRange range;         // after check()
  std::string expression;  // from the arguments

  void add_to(CommandLine& line);
  // Settles the range, once. Says on stderr what local times were taken for. Fails where --since is not before --until.
  Result<void> check(const CommandLine& line);

  std::string since, until;  // as written
};

// The explanation of EXPR in the help of both commands.
extern const char* const kExpressionHelp;

// Adds --store.
void add_store_option(CommandLine& line, std::vector<std::string>& store);
// Fails when a directory cannot be read, or has nothing of a store in it.
Result<void> check_stores(const std::vector<std::string>& directories);

// Takes the ID of a record, as 'search' prints it.
CommandLine::Take take_record_id(std::string& id);

// Opens the store in the directories that --store names.
Result<std::unique_ptr<StoreReader>> open_store(const std::vector<std::string>& store);

// Warns on stderr of the damage that was met.
void warn_of_damage(const ReadStatistics& read);

}  // namespace gatetape
