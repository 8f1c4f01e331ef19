// gatetape search shows stored flows, HTTP transactions and alerts: as a table, CSV, JSON lines or EVE, or counted.
#include "storage/query/search.h"

#include <unistd.h>

#include <utility>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output/record_output.h"
#include "cli/query_options.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/nearest_word.h"

namespace gatetape {

namespace {

constexpr size_t kFlushBytes = 64 * 1024;

struct SearchOptions {
  QueryOptions query;
  std::vector<std::string> columns, count_by;
  std::string sort, format = "table", color = "auto";
  uint64_t limit = 0;
  bool json = false, wide = false;
};

// The question, once it is understood.
struct Question {
  SearchKind kind = SearchKind::kFlows;
  TimeRange range;
  SearchOrder order;
  std::vector<FieldRef> count_by;
  std::vector<RecordColumn> columns;
  OutputFormat format = OutputFormat::kTable;
  bool eve = false;
  uint64_t limit = 0;  // 0: none
  Terminal terminal;
};

std::optional<SearchKind> kind_of(std::string_view word) {
  if (word == "flows") return SearchKind::kFlows;
  if (word == "http") return SearchKind::kHttp;
  if (word == "alerts") return SearchKind::kAlerts;
  if (word == "transactions") return SearchKind::kTransactions;
  return std::nullopt;
}

// Standard output, written to in pieces.
class Output {
 public:
  bool operator()(std::string_view line) {
    out_ += line;
    return out_.size() < kFlushBytes || flush();
  }
  bool flush() {
    written_ = written_ && std::fwrite(out_.data(), 1, out_.size(), stdout) == out_.size() && std::fflush(stdout) == 0;
    out_.clear();
    return written_;
  }

 private:
  std::string out_;
  bool written_ = true;
};

Result<ReadStatistics> count_records(StoreReader& reader, Expression& expression, const Question& question,
                                     Output& output) {
  RecordCounts counts(question.count_by);
  Result<ReadStatistics> read = search(reader, expression, question.kind, question.range, [&](const Record& record) {
    counts.add(record);
    return !interrupted();
  });
  if (!read || interrupted()) return read;
  counts.print(question.format, question.limit, question.terminal, std::ref(output));
  if (question.limit != 0 && counts.values() > question.limit) {
    log_info("{} more (--limit)", counted(counts.values() - question.limit, "value", "values"));
  }
  if (counts.beyond() != 0) {
    log_warning("{} not counted: there are more than {} values", counted(counts.beyond(), "record", "records"),
                format_count(RecordCounts::kValuesMax));
  }
  return read;
}

void say_what_is_not_shown(const Question& question, uint64_t shown, const RecordPrinter& printer) {
  if (question.limit != 0 && shown > question.limit) log_info("there are more records (--limit)");
  if (printer.columns_left_out() != 0 && question.terminal.is_terminal) {
    log_info("{} left out for want of room (--wide shows all)",
             counted(printer.columns_left_out(), "column is", "columns are"));
  }
}

Result<ReadStatistics> print_records(StoreReader& reader, Expression& expression, const Question& question,
                                     Output& output) {
  AlertMarks marks;
  if (!question.eve && question.kind != SearchKind::kFlows && question.kind != SearchKind::kAlerts) {
    if (Result<void> learned = marks.learn(reader, question.range); !learned) return pass_on(learned);
    if (!marks.complete()) log_warning("too many alerts: not every record with one is marked");
  }
  const std::unique_ptr<RecordPrinter> printer =
      question.eve ? eve_printer(std::ref(output))
                   : record_printer(question.format, question.columns, question.terminal, std::ref(output));
  uint64_t count = 0;
  const auto visit = [&](const Record& record) {
    if (question.limit != 0 && ++count > question.limit) return false;
    return printer->print(record, marks.alerts_of(record)) && !interrupted();
  };
  Result<ReadStatistics> read =
      search_in_order(reader, expression, question.kind, question.range, question.order, visit, interrupted);
  if (!read || interrupted()) return read;
  printer->finish();
  output.flush();
  say_what_is_not_shown(question, count, *printer);
  return read;
}

int answer(const CommandLine& line, Expression& expression, const SearchOptions& o, const Question& question) {
  Result<std::unique_ptr<StoreReader>> reader = open_store(o.query.store);
  if (!reader) return line.failed(reader.error());
  catch_interrupts();
  Output output;
  Result<ReadStatistics> read = question.count_by.empty() ? print_records(**reader, expression, question, output)
                                                          : count_records(**reader, expression, question, output);
  if (!read) return line.failed(read.error());
  if (!output.flush()) return line.failed(Error{"standard output: it cannot be written"});
  warn_of_damage(*read);
  if (interrupted()) return line.failed(Error{"interrupted: what is shown is not all"});
  return kExitDone;
}

Result<SearchOrder> order_of(const std::string& text, SearchKind kind) {
  SearchOrder order;
  if (text.empty()) return order;
  const size_t colon = text.find(':');
  const std::string direction = colon == std::string::npos ? "asc" : text.substr(colon + 1);
  if (direction != "asc" && direction != "desc")
    return fail("--sort {}: expected FIELD, FIELD:asc or FIELD:desc", text);
  Result<FieldRef> field = parse_field("--sort", text.substr(0, colon), kind);
  if (!field) return pass_on(field);
  order.by = *field;
  order.descending = direction == "desc";
  return order;
}

Question understand(const SearchOptions& o, SearchKind kind) {
  Question question;
  question.kind = kind;
  question.range = o.query.range;
  question.format = o.json ? OutputFormat::kJson : *output_format(o.format);
  question.eve = question.format == OutputFormat::kJson && o.columns.empty();
  question.terminal = terminal_of(STDOUT_FILENO, *when_color(o.color));
  if (o.wide) question.terminal.width = 0;
  question.limit = o.limit;
  question.columns = default_columns(kind);
  return question;
}

// The fields that were named, which depend on the kind of records.
Result<void> add_fields(const SearchOptions& o, Question& question) {
  Result<SearchOrder> order = order_of(o.sort, question.kind);
  if (!order) return pass_on(order);
  question.order = *order;
  for (const std::string& name : o.count_by) {
    Result<FieldRef> field = parse_field("--count-by", name, question.kind);
    if (!field) return pass_on(field);
    question.count_by.push_back(*field);
  }
  if (!o.count_by.empty() && (!o.columns.empty() || !o.sort.empty())) {
    return fail("--count-by sorts by count and has columns of its own: leave --columns and --sort out");
  }
  if (o.columns.empty()) return {};
  Result<std::vector<RecordColumn>> columns = parse_columns(o.columns, question.kind);
  if (!columns) return pass_on(columns);
  question.columns = std::move(*columns);
  return {};
}

std::string summary_text() {
  std::string out =
      "Shows the stored records of one kind that EXPR selects, in order of time: flows that have ended, HTTP "
      "transactions, alerts, or transactions of other protocols. The column ! counts alerts raised in the record. "
      "Every "
      "record has an ID, which 'show' and 'extract --alert' take. Times are UTC. Records answer these words of a "
      "tcpdump filter: host, net A/L, port, portrange, src, dst, ip, ip6, tcp, udp, sctp, icmp, icmp6. In a pipe "
      "nothing "
      "is cut. Up to 64 MiB of records are sorted in memory, more in $TMPDIR.\n\n";
  out += kExpressionHelp;
  out += "\n\nFields ('alerts' is a column, too; those of other protocols are PROTOCOL.NAME):\n";
  for (const auto& [name, kind] :
       {std::pair("flows", SearchKind::kFlows), std::pair("http", SearchKind::kHttp),
        std::pair("alerts", SearchKind::kAlerts), std::pair("transactions", SearchKind::kTransactions)}) {
    constexpr size_t kColumns = 78;
    std::string line = fmt::format("  {}:", name);
    for (const std::string& field : field_names(kind)) {
      if (line.size() + 1 + field.size() > kColumns) out += std::exchange(line, "   ") + "\n";
      line += " " + field;
    }
    out += line + "\n";
  }
  out.pop_back();
  return out;
}

class SearchCommand : public Command {
 public:
  CommandText text() const override {
    return {.command = "search",
            .usage = "--store DIR flows|http|alerts|transactions [EXPR] [options]",
            .summary = summary_text(),
            .examples =
                "  gatetape search --store /var/lib/gatetape alerts --since 22:48\n"
                "  gatetape search --store /var/lib/gatetape http 'http.status >= 500 and host 203.0.113.9'\n"
                "  gatetape search --store /var/lib/gatetape http --count-by http.user_agent --limit 10\n"
                "  gatetape search --store /var/lib/gatetape http 'http.duration > 2' --sort duration:desc\n"
                "  gatetape search --store /var/lib/gatetape flows sid 2019401 --json | jq .community_id\n"};
  }

  void add_options(CommandLine& line) override {
    o_.query.add_to(line);
    line.number("limit", "N", o_.limit, 0, UINT64_MAX, "at most N records, or values with --count-by; 0: all");
    line.list("columns", "A,B", o_.columns, "these fields");
    line.text("sort", "FIELD[:desc]", o_.sort, "order by a field (default: time)");
    line.list("count-by", "FIELD,...", o_.count_by, "count the records by the values of fields, most frequent first");
    line.choice("format", o_.format, {"table", "csv", "json"},
                "json without --columns is EVE, one event a line, as in Suricata's eve.json");
    line.flag("json", o_.json, "short for --format json");
    line.flag("wide", o_.wide, "do not fit the table to the terminal");
    line.choice("color", o_.color, {"auto", "always", "never"}, "colour; auto: on a terminal, unless NO_COLOR is set");
    line.positional(words_);
  }

  int run(const CommandLine& line) override {
    if (words_.empty()) return line.usage_error("say what to search: flows, http, alerts or transactions");
    const std::optional<SearchKind> kind = kind_of(words_.front());
    if (!kind) {
      return line.usage_error(fmt::format("'{}': expected flows, http, alerts or transactions{}", words_.front(),
                                          did_you_mean(words_.front(), {"flows", "http", "alerts", "transactions"})));
    }
    o_.query.expression = joined({words_.begin() + 1, words_.end()});
    if (const Result<void> checked = o_.query.check(line); !checked) return line.usage_error(checked.error().message);
    Result<Expression> expression = Expression::parse(o_.query.expression);
    if (!expression) return line.usage_error(expression.error().message);
    if (const Result<void> checked = expression->check_for_records(); !checked) {
      return line.usage_error(checked.error().message);
    }
    Question question = understand(o_, *kind);
    if (const Result<void> added = add_fields(o_, question); !added) return line.usage_error(added.error().message);
    return answer(line, *expression, o_, question);
  }

 private:
  SearchOptions o_;
  std::vector<std::string> words_;
};

}  // namespace

std::unique_ptr<Command> command_search() {
  return std::make_unique<SearchCommand>();
}

}  // namespace gatetape
