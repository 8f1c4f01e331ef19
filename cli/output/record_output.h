// Records as people and other programs read them: a table, CSV, or JSON lines, of chosen fields
// (packet/record_fields.h), or as EVE. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/output/table.h"
#include "packet/record_fields.h"
#include "storage/query/search.h"

namespace gatetape {

enum class OutputFormat { kTable, kCsv, kJson };
std::optional<OutputFormat> output_format(std::string_view word);  // table, csv, json

// A column: a field, or the number of alerts that were raised in the record.
struct RecordColumn {
  std::optional<FieldRef> field;  // nothing: alerts
  int rank = 0;                   // as in a table
  std::string name() const { return field ? field->name() : "alerts"; }
};

// The columns that are shown when none are asked for.
std::vector<RecordColumn> default_columns(SearchKind kind);
// Those of a list of names. The error lists the names that there are.
Result<std::vector<RecordColumn>> parse_columns(const std::vector<std::string>& names, SearchKind kind);
// One name. `option` stands in the error.
Result<FieldRef> parse_field(const char* option, std::string_view name, SearchKind kind);
// The names that records of this kind answer.
std::vector<std::string> field_names(SearchKind kind);

// Gets whole lines; false: they could not be written.
using LineWriter = std::function<bool(std::string_view)>;

class RecordPrinter {
 public:
  virtual ~RecordPrinter() = default;
  // `alerts`: raised in it. False: writing failed.
  virtual bool print(const Record& record, uint32_t alerts) = 0;
  virtual bool finish() { return true; }
  // Columns that found no room.
  virtual size_t columns_left_out() const { return 0; }
};
std::unique_ptr<RecordPrinter> eve_printer(LineWriter write);
std::unique_ptr<RecordPrinter> record_printer(OutputFormat format, std::vector<RecordColumn> columns,
                                              const Terminal& terminal, LineWriter write);

// Counts records by the values of some fields. Values beyond kValuesMax are counted together.
class RecordCounts {
 public:
  static constexpr size_t kValuesMax = 1'000'000;
  explicit RecordCounts(std::vector<FieldRef> fields) : fields_(std::move(fields)) {}

  void add(const Record& record);
  uint64_t values() const { return counts_.size(); }
  uint64_t beyond() const { return beyond_; }  // records whose value found no room
  // The most frequent values, at most `limit` (0: all), each with its count; equal counts in the order of their values.
  bool print(OutputFormat format, uint64_t limit, const Terminal& terminal, const LineWriter& write) const;

 private:
  std::vector<FieldRef> fields_;
  std::map<std::vector<FieldValue>, uint64_t> counts_;
  uint64_t beyond_ = 0;
};

}  // namespace gatetape
