// gatetape show tells all about one alert, transaction or flow: what was said, what came before and after, which rule.
#include <unistd.h>

#include <algorithm>
#include <deque>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output/record_output.h"
#include "cli/query_options.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/time_text.h"
#include "reassembly/stack/transcript.h"
#include "rules/language/parser.h"
#include "storage/query/record_lookup.h"

namespace gatetape {

namespace {

struct ShowOptions {
  QueryOptions query;
  std::vector<std::string> rules;
  std::string color = "auto";
  uint64_t body_bytes = 2048;
  unsigned neighbours = 5;
  bool wide = false;
};

constexpr int64_t kNearNanoseconds = 600'000'000'000;  // neighbours in time lie so near
constexpr size_t kFieldsShown = 60;                    // lines of a head
constexpr std::string_view kIndent = "  ";

// Writes to standard output, a section at a time.
class Page {
 public:
  explicit Page(const Terminal& terminal) : terminal_(terminal) {}

  const Terminal& terminal() const { return terminal_; }
  void heading(std::string_view text) {
    write(fmt::format("\n{}{}{}\n", terminal_.color ? "\x1b[1m" : "", printable(text, terminal_.utf8),
                      terminal_.color ? "\x1b[0m" : ""));
  }
  // A line of text from wherever, as it is but for what a terminal must not get; cut on a terminal.
  void line(std::string_view text) {
    std::string safe = std::string(kIndent) + printable(text, terminal_.utf8);
    if (terminal_.width != 0) safe = cut_to(safe, terminal_.width, terminal_.utf8);
    write(safe + "\n");
  }
  // The same, whole: for what people copy.
  void whole_line(std::string_view text) { write(std::string(kIndent) + printable(text, terminal_.utf8) + "\n"); }
  bool write(std::string_view text) {
    written_ = written_ && std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return written_;
  }
  bool flush() { return written_ && std::fflush(stdout) == 0; }

 private:
  Terminal terminal_;
  bool written_ = true;
};

std::string field_text(const Record& record, std::string_view name) {
  const std::optional<FieldRef> field = FieldRef::find(name);
  return field ? plain_text(field->kind(), field->value(record)) : std::string();
}

// ---------------------------------------------------------------- the record itself

void show_fields(Page& page, const Record& record) {
  const RecordTypes type = RecordTypes{1} << std::visit([](const auto& r) { return r.kType; }, record);
  for (const RecordField& field : record_fields()) {
    const bool twice = field.name == "http.url" || field.name.ends_with(".ip") || field.name.ends_with(".port") ||
                       field.name == "source" || field.name == "destination" || field.name.ends_with(".duration");
    if ((field.answers & type) == 0 || twice) continue;
    const FieldValue value = field.value(record);
    if (value.index() != 0) page.line(fmt::format("{:<22}  {}", field.name, plain_text(field.kind, value)));
  }
}

// ---------------------------------------------------------------- messages

// Whether bytes are text that a person would read.
bool is_text(std::string_view bytes) {
  const auto odd = std::ranges::count_if(bytes, [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f;
  });
  return static_cast<size_t>(odd) * 20 <= bytes.size();
}

void show_lines(Page& page, std::string_view bytes, size_t lines_max) {
  for (size_t lines = 0; !bytes.empty(); ++lines) {
    if (lines == lines_max) return page.line("... more lines");
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view line = bytes.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    page.line(line);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
}

void show_bytes(Page& page, std::string_view bytes) {
  constexpr size_t kPerLine = 16, kLines = 8;
  for (size_t at = 0; at < std::min(bytes.size(), kPerLine * kLines); at += kPerLine) {
    std::string hex, text;
    for (const char c : bytes.substr(at, kPerLine)) {
      hex += fmt::format("{:02x} ", static_cast<uint8_t>(c));
      text.push_back(c >= 0x20 && c < 0x7f ? c : '.');
    }
    page.line(fmt::format("{:04x}  {:<48} {}", at, hex, text));
  }
}

void show_content(Page& page, const MessageText& message, uint64_t bytes_max) {
  const std::string_view shown = std::string_view(message.bytes).substr(0, bytes_max);
  if (!shown.empty()) {
    is_text(shown) ? show_lines(page, shown, 40) : show_bytes(page, shown);
  }
  if (message.length > shown.size()) {
    page.line(fmt::format("({} of {}; --body N shows more)", format_count(shown.size()),
                          counted(message.length, "byte", "bytes")));
  }
  if (message.gap_bytes != 0) page.line(fmt::format("({} missing)", counted(message.gap_bytes, "byte", "bytes")));
}

void show_message(Page& page, const char* title, const MessageText& message, uint64_t body_bytes) {
  page.heading(title);
  if (message.start_line.empty() && message.length == 0) return page.line("(none was recorded)");
  page.line(message.start_line);
  show_lines(page, message.fields, kFieldsShown);
  if (message.length == 0 && message.gap_bytes == 0) return;
  page.line("");
  show_content(page, message, body_bytes);
}

// ---------------------------------------------------------------- the rule

// Where one of the buffers, or the payload, has what the rule looks for.
std::optional<std::string> found_in(std::string_view haystack, const ContentElement& content) {
  const auto same = [&](char a, char b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    return content.nocase ? lower(a) == lower(b) : a == b;
  };
  const auto at = std::search(haystack.begin(), haystack.end(), content.bytes.begin(), content.bytes.end(), same);
  if (at == haystack.end()) return std::nullopt;
  constexpr size_t kAround = 24;
  const auto place = static_cast<size_t>(at - haystack.begin());
  const size_t begin = place - std::min(place, kAround);
  return fmt::format("{}{}[{}]{}", begin == 0 ? "" : "...", haystack.substr(begin, place - begin),
                     haystack.substr(place, content.bytes.size()),
                     haystack.substr(place + content.bytes.size(), kAround));
}

std::vector<std::string_view> texts_of(Buffer buffer, const Transcript& transcript) {
  std::vector<std::string_view> texts;
  if (is_body(buffer) || buffer == Buffer::kPayload) {
    for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
      texts.push_back(is_body(buffer) ? transcript.message(direction).bytes : transcript.stream(direction).bytes);
    }
  }
  for (const BufferText& text : transcript.buffers()) {
    if (text.buffer == buffer) texts.push_back(text.bytes);
  }
  return texts;
}

void show_group(Page& page, const InspectionGroup& group, const Transcript& transcript) {
  const std::string_view name = group.buffer == Buffer::kPayload ? "payload" : to_string(group.buffer);
  for (const Element& element : group.elements) {
    if (const auto* pcre = std::get_if<PcreElement>(&element)) {
      page.line(fmt::format("{}: {}pcre /{}/", name, pcre->negated ? "not " : "", pcre->pattern));
    }
    const auto* content = std::get_if<ContentElement>(&element);
    if (content == nullptr) continue;
    if (content->negated) {
      page.line(fmt::format("{}: not \"{}\"", name, content->bytes));
      continue;
    }
    std::optional<std::string> place;
    for (const std::string_view text : texts_of(group.buffer, transcript)) {
      if (!place && group.transforms.empty()) place = found_in(text, *content);
    }
    page.line(place ? fmt::format("{}: {}", name, *place)
                    : fmt::format("{}: \"{}\" (not in what is kept here)", name, content->bytes));
  }
}

// The rule of an alert, in the files that were named; nothing when it is not there.
struct FoundRule {
  ParsedRules parsed;
  const Rule* rule = nullptr;
};

Result<FoundRule> find_rule(const std::vector<std::string>& files, const AlertRecord& alert) {
  FoundRule found;
  if (files.empty()) return found;
  RuleLoadOptions options;
  options.files = files;
  Result<ParsedRules> parsed = parse_rule_files(options);
  if (!parsed) return pass_on(parsed);
  found.parsed = std::move(*parsed);
  for (const Rule& rule : found.parsed.rules) {
    if (rule.gid == alert.gid && rule.sid == alert.sid) found.rule = &rule;
  }
  return found;
}

void show_rule(Page& page, const FoundRule& found, const AlertRecord& alert, const Transcript& transcript) {
  page.heading("Rule");
  if (found.rule == nullptr) {
    return page.line(found.parsed.files.empty() ? "--rules FILE shows the rule and what it matched"
                                                : fmt::format("sid {} is in none of the files", alert.sid));
  }
  page.line(fmt::format("{}:{}", found.parsed.files[found.rule->file], found.rule->line));
  page.whole_line(found.rule->text);
  if (found.rule->rev != alert.rev)
    page.line(fmt::format("(rev {}; the alert was raised by rev {})", found.rule->rev, alert.rev));
  if (found.rule->groups.empty()) return;
  page.heading("What matched");
  for (const InspectionGroup& group : found.rule->groups) show_group(page, group, transcript);
}

// ---------------------------------------------------------------- what is around it

struct Neighbours {
  std::deque<KeptRecord> before, after;
  uint64_t more_before = 0, more_after = 0;
};

// The records of one kind that an expression selects, nearest to an instant. Itself is among those before.
Result<Neighbours> find_neighbours(StoreReader& reader, SearchKind kind, const std::string& text, int64_t middle_ns,
                                   unsigned count) {
  Result<Expression> expression = Expression::parse(text);
  if (!expression) return pass_on(expression);
  Neighbours found;
  const TimeRange range{middle_ns - kNearNanoseconds, middle_ns + kNearNanoseconds};
  const auto visit = [&](const Record& record) {
    if (time_of_record(record) <= middle_ns) {
      found.before.emplace_back(record);
      if (found.before.size() > count + 1) {
        found.before.pop_front();
        ++found.more_before;
      }
    } else if (found.after.size() < count) {
      found.after.emplace_back(record);
    } else {
      ++found.more_after;
    }
    return true;
  };
  Result<ReadStatistics> read = search_in_order(reader, *expression, kind, range, {}, visit, interrupted);
  if (!read) return pass_on(read);
  return found;
}

void show_neighbours(Page& page, const Neighbours& found, SearchKind kind, const AlertMarks& marks,
                     const std::string& own_id) {
  if (found.more_before != 0) page.line(fmt::format("... {} earlier", format_count(found.more_before)));
  Terminal terminal = page.terminal();
  if (terminal.width > kIndent.size()) terminal.width -= kIndent.size();
  std::string table;
  const auto printer =
      record_printer(OutputFormat::kTable, default_columns(kind), terminal, [&](std::string_view line) {
        table += line;
        return true;
      });
  for (const auto* records : {&found.before, &found.after}) {
    for (const KeptRecord& kept : *records) printer->print(kept.record(), marks.alerts_of(kept.record()));
  }
  printer->finish();
  for (size_t at = 0; at < table.size();) {
    const size_t end = table.find('\n', at);
    const std::string_view line = std::string_view(table).substr(at, end + 1 - at);
    page.write(!own_id.empty() && line.find(own_id) != std::string_view::npos ? "> " : kIndent);
    page.write(line);
    at = end + 1;
  }
  if (found.more_after != 0) page.line(fmt::format("... {} later", format_count(found.more_after)));
}

// ---------------------------------------------------------------- all of it

std::optional<uint64_t> transaction_of(const Record& record) {
  if (const auto* http = std::get_if<HttpRecord>(&record)) return http->transaction_id;
  if (const auto* other = std::get_if<TransactionRecord>(&record)) return other->transaction_id;
  const auto* alert = std::get_if<AlertRecord>(&record);
  if (alert != nullptr && alert->has_transaction) return alert->transaction_id;
  return std::nullopt;
}

Result<std::unique_ptr<Transcript>> read_transcript(StoreReader& reader, const Record& record, const Rule* rule,
                                                    bool validate_checksums) {
  TranscriptRequest request;
  request.client_to_server = client_to_server(record);
  request.transaction = transaction_of(record);
  request.validate_checksums = validate_checksums;
  if (rule != nullptr) {
    for (const InspectionGroup& group : rule->groups) {
      if (std::ranges::find(request.buffers, group.buffer) == request.buffers.end()) {
        request.buffers.push_back(group.buffer);
      }
    }
  }
  auto transcript = std::make_unique<Transcript>(request);
  StoreQuery query;
  query.index.all_of.emplace_back().emplace_back().flow_id = flow_id_of(record);
  Result<ReadStatistics> read = reader.packets(query, [&](const StoredPacket& packet) {
    if (packet.flow_id == flow_id_of(record)) transcript->add(packet);
    return !interrupted();
  });
  if (!read) return pass_on(read);
  warn_of_damage(*read);
  transcript->finish();
  return transcript;
}

// Packets with wrong checksums are no part of a conversation, unless all are wrong, as behind an offload.
Result<std::unique_ptr<Transcript>> read_transcript(StoreReader& reader, const Record& record, const Rule* rule) {
  Result<std::unique_ptr<Transcript>> read = read_transcript(reader, record, rule, true);
  if (!read) return read;
  const bool nothing = (*read)->stream(Direction::kToServer).length + (*read)->stream(Direction::kToClient).length == 0;
  return nothing ? read_transcript(reader, record, rule, false) : std::move(read);
}

void show_conversation(Page& page, const Record& record, const Transcript& transcript, uint64_t body_bytes) {
  if (transcript.found()) {
    show_message(page, "Request", transcript.message(Direction::kToServer), body_bytes);
    show_message(page, "Response", transcript.message(Direction::kToClient), body_bytes);
    return;
  }
  if (transcript.packets() == 0) {
    page.heading("Packets");
    return page.line("none of this connection are in the store: they were overwritten, or never stored");
  }
  if (transaction_of(record)) {
    page.heading("Transaction");
    page.line("it cannot be put together from the packets that are left; what there is of the connection:");
  }
  for (const auto& [title, direction] :
       {std::pair("Client said", Direction::kToServer), std::pair("Server said", Direction::kToClient)}) {
    page.heading(title);
    const MessageText& stream = transcript.stream(direction);
    stream.length == 0 ? page.line("(nothing)") : show_content(page, stream, body_bytes);
  }
}

Result<void> show_surroundings(StoreReader& reader, Page& page, const Record& record, unsigned count) {
  const std::string client = client_to_server(record).source.to_string();
  const int64_t when = time_of_record(record);
  AlertMarks marks;
  if (Result<void> learned = marks.learn(reader, {when - kNearNanoseconds, when + kNearNanoseconds}); !learned)
    return learned;
  struct Part {
    SearchKind kind;
    std::string title, own_id;
  };
  const auto transaction = transaction_of(record);
  HttpRecord same;
  same.flow_id = flow_id_of(record);
  same.transaction_id = transaction.value_or(0);
  for (const Part& part : {Part{SearchKind::kHttp, "HTTP of " + client + ", ten minutes before and after",
                                transaction ? record_id(same) : ""},
                           Part{SearchKind::kFlows, "Connections of " + client, flow_short_id(flow_id_of(record))},
                           Part{SearchKind::kAlerts, "Alerts of " + client, record_id(record)}}) {
    Result<Neighbours> found = find_neighbours(reader, part.kind, "host " + client, when, count);
    if (!found) return pass_on(found);
    if (found->before.empty() && found->after.empty()) continue;
    page.heading(part.title);
    show_neighbours(page, *found, part.kind, marks, part.own_id);
  }
  return {};
}

std::string title_of(const Record& record) {
  if (const auto* alert = std::get_if<AlertRecord>(&record)) {
    return fmt::format("Alert {}: {}", record_id(record), alert->signature);
  }
  if (std::holds_alternative<FlowRecord>(record)) return "Flow " + record_id(record);
  return fmt::format("Transaction {}: {} {}", record_id(record), field_text(record, "http.method"),
                     field_text(record, "http.url"));
}

Result<void> show(StoreReader& reader, Page& page, const Record& record, const ShowOptions& o) {
  const auto* alert = std::get_if<AlertRecord>(&record);
  Result<FoundRule> rule = alert != nullptr ? find_rule(o.rules, *alert) : FoundRule();
  if (!rule) return pass_on(rule);
  Result<std::unique_ptr<Transcript>> transcript = read_transcript(reader, record, rule->rule);
  if (!transcript) return pass_on(transcript);
  page.heading(title_of(record));
  show_fields(page, record);
  show_conversation(page, record, **transcript, o.body_bytes);
  if (alert != nullptr) show_rule(page, *rule, *alert, **transcript);
  if (Result<void> around = show_surroundings(reader, page, record, o.neighbours); !around) return around;
  page.heading(counted((*transcript)->packets(), "packet", "packets") + " of the connection");
  page.whole_line(fmt::format("gatetape extract --store {} --alert {} -w {}.pcapng", fmt::join(o.query.store, ","),
                              record_id(record), record_id(record)));
  return {};
}

class ShowCommand : public Command {
 public:
  CommandText text() const override {
    return {.command = "show",
            .usage = "--store DIR ID [options]",
            .summary =
                "Tells all about one alert, transaction or flow: what was said in clear, the rule and what it matched, "
                "what the client did before and after, and how to get the packets. ID is what 'search' prints, or a "
                "flow_id. --since and --until narrow the search for it.",
            .examples =
                "  gatetape show --store /var/lib/gatetape a7k3m9q2xd --rules et-open.rules\n"
                "  gatetape show --store /var/lib/gatetape 351843720888321 --body 20000\n"};
  }

  void add_options(CommandLine& line) override {
    o_.query.add_to(line);
    line.list("rules", "FILE[,FILE...]", o_.rules, "rule files, to show the rule of an alert and what it matched");
    line.number("body", "N", o_.body_bytes, 0, 65536, "bytes of each body that are shown");
    line.number("around", "N", o_.neighbours, 0, 1000, "records before and after it that are shown");
    line.flag("wide", o_.wide, "do not fit the page to the terminal");
    line.choice("color", o_.color, {"auto", "always", "never"}, "colour; auto: on a terminal, unless NO_COLOR is set");
    line.positional(ids_);
  }

  int run(const CommandLine& line) override {
    if (ids_.size() != 1) {
      return line.usage_error("say which: the ID of one alert, transaction or flow, as 'search' prints it");
    }
    const bool number = ids_[0].find_first_not_of("0123456789") == std::string::npos;
    if (!number && !is_record_id(ids_[0])) {
      return line.usage_error(
          fmt::format("'{}' is no ID: these have ten characters, as in a7k3m9q2xd", printable(ids_[0])));
    }
    if (const Result<void> checked = o_.query.check(line); !checked) return line.usage_error(checked.error().message);
    return show_all(line);
  }

 private:
  int show_all(const CommandLine& line) const {
    Result<std::unique_ptr<StoreReader>> reader = open_store(o_.query.store);
    if (!reader) return line.failed(reader.error());
    catch_interrupts();
    Result<std::vector<KeptRecord>> records = find_records(**reader, ids_[0], o_.query.range);
    if (!records) return line.failed(records.error());
    if (records->empty()) return line.failed(Error{fmt::format("nothing has the ID {} in this store", ids_[0])});
    if (records->size() > 1) log_info("{} have this ID", counted(records->size(), "record", "records"));
    Terminal terminal = terminal_of(STDOUT_FILENO, *when_color(o_.color));
    if (o_.wide) terminal.width = 0;
    Page page(terminal);
    for (const KeptRecord& kept : *records) {
      if (Result<void> shown = show(**reader, page, kept.record(), o_); !shown) return line.failed(shown.error());
    }
    if (!page.flush()) return line.failed(Error{"standard output: it cannot be written"});
    return interrupted() ? line.failed(Error{"interrupted: what is shown is not all"}) : kExitDone;
  }

  ShowOptions o_;
  std::vector<std::string> ids_;
};

}  // namespace

std::unique_ptr<Command> command_show() {
  return std::make_unique<ShowCommand>();
}

}  // namespace gatetape
