#include "cli/output/record_output.h"

#include <algorithm>

#include "common/count_text.h"
#include "common/json_writer.h"
#include "common/time_text.h"
#include "export/eve.h"

namespace gatetape {

namespace {

// In a table: times without zeros that say nothing, numbers of things with separators.
std::string table_text(FieldKind kind, const FieldValue& value) {
  const auto* count = std::get_if<int64_t>(&value);
  if (count == nullptr) return plain_text(kind, value);
  if (kind == FieldKind::kCount || kind == FieldKind::kBytes) return format_count(static_cast<uint64_t>(*count));
  std::string text = plain_text(kind, value);
  if (kind == FieldKind::kTime && text.ends_with("000Z")) text.replace(text.size() - 4, 4, "Z");
  return text;
}

bool is_right(FieldKind kind) {
  return kind != FieldKind::kText && kind != FieldKind::kTime;
}

// Part of an id or an address is worth nothing.
bool may_be_cut(const FieldRef& field) {
  static constexpr std::string_view kWhole[] = {"id", "flow", "client", "server", "source", "destination"};
  return field.kind() == FieldKind::kText && std::ranges::find(kWhole, field.name()) == std::end(kWhole);
}

TableColumn table_column(const RecordColumn& column) {
  if (!column.field) return {"!", true, false, column.rank};
  return {column.field->heading(), is_right(column.field->kind()), may_be_cut(*column.field), column.rank};
}

// RFC 4180. Control characters become \xNN, as in tables, so that a line is a line and no terminal is told anything.
void append_csv(std::string& out, std::string_view text) {
  const std::string safe = printable(text);
  if (safe.find_first_of(",\"") == std::string::npos) {
    out += safe;
    return;
  }
  out.push_back('"');
  for (const char c : safe) out.append(c == '"' ? 2 : 1, c);
  out.push_back('"');
}

void append_value(JsonWriter& json, std::string_view name, FieldKind kind, const FieldValue& value) {
  const auto* count = std::get_if<int64_t>(&value);
  if (value.index() == 0) return;
  if (count == nullptr || kind == FieldKind::kTime) {
    json.field(name, plain_text(kind, value));
  } else if (kind == FieldKind::kDuration) {
    json.field(name, static_cast<double>(*count) / 1e9);
  } else {
    json.field(name, *count);
  }
}

class EvePrinter : public RecordPrinter {
 public:
  explicit EvePrinter(LineWriter write) : write_(std::move(write)) {}
  bool print(const Record& record, uint32_t) override {
    line_.clear();
    append_eve(line_, record);
    line_.push_back('\n');
    return write_(line_);
  }

 private:
  LineWriter write_;
  std::string line_;
};

class TablePrinter : public RecordPrinter {
 public:
  TablePrinter(std::vector<RecordColumn> columns, const Terminal& terminal, LineWriter write)
      : columns_(std::move(columns)), table_(table_columns(columns_), terminal, std::move(write)) {}

  bool print(const Record& record, uint32_t alerts) override {
    std::vector<std::string> cells;
    for (const RecordColumn& column : columns_) {
      if (column.field) {
        cells.push_back(table_text(column.field->kind(), column.field->value(record)));
      } else {
        cells.push_back(alerts == 0 ? "" : format_count(alerts));
      }
    }
    return table_.row(std::move(cells), alerts != 0 ? RowStyle::kMarked : RowStyle::kPlain);
  }
  bool finish() override { return table_.finish(); }
  size_t columns_left_out() const override { return table_.columns_left_out(); }

 private:
  static std::vector<TableColumn> table_columns(const std::vector<RecordColumn>& columns) {
    std::vector<TableColumn> out;
    for (const RecordColumn& column : columns) out.push_back(table_column(column));
    return out;
  }

  std::vector<RecordColumn> columns_;
  Table table_;
};

class CsvPrinter : public RecordPrinter {
 public:
  CsvPrinter(std::vector<RecordColumn> columns, LineWriter write)
      : columns_(std::move(columns)), write_(std::move(write)) {}

  bool print(const Record& record, uint32_t alerts) override {
    const bool headed = heading();
    std::string line;
    for (const RecordColumn& column : columns_) {
      if (&column != &columns_.front()) line.push_back(',');
      append_csv(line,
                 column.field ? plain_text(column.field->kind(), column.field->value(record)) : std::to_string(alerts));
    }
    return headed && write_(line + "\n");
  }
  bool finish() override { return heading(); }

 private:
  bool heading() {
    if (std::exchange(headed_, true)) return true;
    std::string line;
    for (const RecordColumn& column : columns_) line += (line.empty() ? "" : ",") + column.name();
    return write_(line + "\n");
  }

  std::vector<RecordColumn> columns_;
  LineWriter write_;
  bool headed_ = false;
};

class JsonPrinter : public RecordPrinter {
 public:
  JsonPrinter(std::vector<RecordColumn> columns, LineWriter write)
      : columns_(std::move(columns)), write_(std::move(write)) {}

  bool print(const Record& record, uint32_t alerts) override {
    std::string line;
    JsonWriter json(line);
    json.begin_object();
    for (const RecordColumn& column : columns_) {
      if (column.field) {
        append_value(json, column.name(), column.field->kind(), column.field->value(record));
      } else {
        json.field(column.name(), alerts);
      }
    }
    json.end_object();
    return write_(line + "\n");
  }

 private:
  std::vector<RecordColumn> columns_;
  LineWriter write_;
};

}  // namespace

std::optional<OutputFormat> output_format(std::string_view word) {
  if (word == "table") return OutputFormat::kTable;
  if (word == "csv") return OutputFormat::kCsv;
  if (word == "json") return OutputFormat::kJson;
  return std::nullopt;
}

std::vector<RecordColumn> default_columns(SearchKind kind) {
  struct Default {
    std::string_view name;
    int rank;
  };
  using Defaults = std::vector<Default>;
  const auto names = [&]() -> Defaults {
    switch (kind) {
      case SearchKind::kFlows:
        return {{"alerts", 2},
                {"id", 0},
                {"time", 0},
                {"duration", 3},
                {"protocol", 6},
                {"client", 0},
                {"server", 1},
                {"flow.packets_to_server", 9},
                {"flow.packets_to_client", 9},
                {"flow.bytes_to_server", 8},
                {"flow.bytes_to_client", 7},
                {"flow.app", 4},
                {"flow.end", 5}};
      case SearchKind::kHttp:
        return {{"alerts", 1},      {"id", 0},          {"flow", 9},
                {"time", 0},        {"client", 3},      {"server", 7},
                {"http.method", 2}, {"http.status", 0}, {"http.response_bytes", 6},
                {"duration", 5},    {"http.url", 0}};
      case SearchKind::kAlerts:
        return {{"id", 0},          {"flow", 9},    {"time", 0},        {"alert.severity", 3},
                {"alert.sid", 2},   {"source", 4},  {"destination", 6}, {"alert.signature", 0},
                {"http.method", 8}, {"http.url", 7}};
      case SearchKind::kTransactions:
        return {{"alerts", 2}, {"id", 0},     {"flow", 9}, {"time", 0},
                {"client", 3}, {"server", 5}, {"app", 1},  {"values", 0}};
    }
    return {};
  }();
  std::vector<RecordColumn> columns;
  for (const Default& one : names) columns.push_back({FieldRef::find(one.name), one.rank});
  return columns;
}

std::vector<std::string> field_names(SearchKind kind) {
  std::vector<std::string> out;
  for (const RecordField& field : record_fields()) {
    if ((field.answers & types_of(kind)) != 0) out.emplace_back(field.name);
  }
  return out;
}

Result<FieldRef> parse_field(const char* option, std::string_view name, SearchKind kind) {
  std::optional<FieldRef> field = FieldRef::find(name);
  if (field && (field->answers() & types_of(kind)) != 0) return *field;
  return fail("{} {}: no field of such records. There are: {}", option, name, fmt::join(field_names(kind), " "));
}

Result<std::vector<RecordColumn>> parse_columns(const std::vector<std::string>& names, SearchKind kind) {
  std::vector<RecordColumn> columns;
  for (const std::string& name : names) {
    const int rank = static_cast<int>(columns.size());
    if (name == "alerts" && kind != SearchKind::kAlerts) {
      columns.push_back({std::nullopt, rank});
      continue;
    }
    Result<FieldRef> field = parse_field("--columns", name, kind);
    if (!field) return pass_on(field);
    columns.push_back({*field, rank});
  }
  return columns;
}

std::unique_ptr<RecordPrinter> eve_printer(LineWriter write) {
  return std::make_unique<EvePrinter>(std::move(write));
}

std::unique_ptr<RecordPrinter> record_printer(OutputFormat format, std::vector<RecordColumn> columns,
                                              const Terminal& terminal, LineWriter write) {
  switch (format) {
    case OutputFormat::kCsv:
      return std::make_unique<CsvPrinter>(std::move(columns), std::move(write));
    case OutputFormat::kJson:
      return std::make_unique<JsonPrinter>(std::move(columns), std::move(write));
    case OutputFormat::kTable:
      break;
  }
  return std::make_unique<TablePrinter>(std::move(columns), terminal, std::move(write));
}

void RecordCounts::add(const Record& record) {
  std::vector<FieldValue> values;
  for (const FieldRef& field : fields_) values.push_back(field.value(record));
  const auto found = counts_.find(values);
  if (found != counts_.end()) {
    ++found->second;
  } else if (counts_.size() < kValuesMax) {
    counts_.emplace(std::move(values), 1);
  } else {
    ++beyond_;
  }
}

bool RecordCounts::print(OutputFormat format, uint64_t limit, const Terminal& terminal, const LineWriter& write) const {
  using Counted = decltype(counts_)::value_type;
  std::vector<const Counted*> rows;
  for (const Counted& counted : counts_) rows.push_back(&counted);
  std::stable_sort(rows.begin(), rows.end(), [](const Counted* a, const Counted* b) { return a->second > b->second; });
  if (limit != 0 && limit < rows.size()) rows.resize(limit);

  std::vector<TableColumn> columns{{"COUNT", true, false, 0}};
  std::string csv = "count";
  for (const FieldRef& field : fields_) {
    columns.push_back(table_column({field, 0}));
    csv += "," + field.name();
  }
  Table table(columns, terminal, write);
  bool written = format != OutputFormat::kCsv || write(csv + "\n");
  for (const Counted* row : rows) {
    std::vector<std::string> cells{format_count(row->second)};
    std::string line = std::to_string(row->second), object;
    JsonWriter json(object);
    json.begin_object().field("count", row->second);
    for (size_t i = 0; i < fields_.size(); ++i) {
      const FieldKind kind = fields_[i].kind();
      cells.push_back(row->first[i].index() == 0 ? "-" : table_text(kind, row->first[i]));
      append_csv(line += ",", plain_text(kind, row->first[i]));
      append_value(json, fields_[i].name(), kind, row->first[i]);
    }
    json.end_object();
    if (format == OutputFormat::kTable) written = written && table.row(std::move(cells));
    if (format == OutputFormat::kCsv) written = written && write(line + "\n");
    if (format == OutputFormat::kJson) written = written && write(object + "\n");
  }
  return written && (format != OutputFormat::kTable || table.finish());
}

}  // namespace gatetape
