// gatetape extract writes stored packets to a capture file and states how complete they are.
#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>

#include "cli/broken_pipe.h"
#include "cli/commands.h"
#include "cli/custody.h"
#include "cli/interrupt.h"
#include "cli/query_options.h"
#include "cli/rights.h"
#include "common/clock.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/progress.h"
#include "common/time_text.h"
#include "common/version.h"
#include "export/eve.h"
#include "storage/query/bundle.h"
#include "storage/query/extract.h"
#include "storage/query/index_planning.h"
#include "storage/query/record_lookup.h"

namespace gatetape {

namespace {

struct ExtractOptions {
  QueryOptions query;
  std::string output = "-";
  std::string format;  // empty: as the output's name says
  std::string statement;
  std::string sid, community_id, alert;
  std::string bundle, signing_key;
  bool require_complete = false, explain = false, follow = false;

  CaptureFormat capture_format() const {
    const bool pcap = format.empty() ? output.ends_with(".pcap") : format == "pcap";
    return pcap ? CaptureFormat::kPcap : CaptureFormat::kPcapng;
  }
};

// Joins the user's expression with the terms of --sid and --community-id. It is first parsed alone, so that columns in
// messages are the user's.
Result<Expression> expression_of(const ExtractOptions& o) {
  std::string text = o.query.expression;
  Result<Expression> expression = Expression::parse(text);
  if (!expression) return expression;
  for (const auto& [name, value] : {std::pair("sid", o.sid), std::pair("community_id", o.community_id)}) {
    if (value.empty()) continue;
    const std::string term = fmt::format("{} \"{}\"", name, value);
    text = expression->selects_everything() ? term : fmt::format("({}) and {}", text, term);
    expression = Expression::parse(text);
    if (!expression) return expression;
  }
  return expression;
}

// Takes a value that makes a term of an expression: "2019401" for sid.
CommandLine::Take take_term(const char* name, std::string& value) {
  return [name, &value](const std::string& text) -> Result<void> {
    if (text.find('"') != std::string::npos) return fail("a quote cannot be part of it");
    if (const Result<Expression> alone = Expression::parse(fmt::format("{} \"{}\"", name, text)); !alone) {
      const std::string& message = alone.error().message;  // with a column, which is none of the user's
      return fail("{}", message.substr(message.find(": ") + 2));
    }
    value = text;
    return {};
  };
}

// Joins the expression with the connections that --alert means. One id may, rarely, mean several.
Result<Expression> with_alert(StoreReader& reader, const Expression& expression, const std::string& id,
                              const TimeRange& range) {
  Result<std::vector<KeptRecord>> records = find_records(reader, id, range);
  if (!records) return pass_on(records);
  if (records->empty()) return fail("--alert {}: nothing in this store has that ID", id);
  std::string flows;
  for (const KeptRecord& kept : *records) {
    flows += fmt::format("{}flow_id {}", flows.empty() ? "" : " or ", flow_id_of(kept.record()));
  }
  return Expression::parse(expression.selects_everything() ? flows
                                                           : fmt::format("({}) and ({})", expression.text(), flows));
}

Result<void> write_statement(const std::string& path, const ExtractStatement& statement) {
  std::string json;
  append_statement(json, statement);
  json.push_back('\n');
  Result<std::unique_ptr<OutputFile>> file = OutputFile::open(path, system_files(), interrupted);
  if (!file) return pass_on(file);
  (*file)->append({reinterpret_cast<const uint8_t*>(json.data()), json.size()});
  return (*file)->finish();
}

std::string explain_index(const IndexFilter& index) {
  if (index.all_of.empty()) return "index: not asked, every frame of the time range is read\n";
  std::string out = "index: frames that have each of\n";
  for (const std::vector<IndexTerm>& clause : index.all_of) {
    out += fmt::format("  one of {}:", counted(clause.size(), "term", "terms"));
    for (size_t i = 0; i < clause.size() && i < 4; ++i) {
      const IndexTerm& term = clause[i];
      out += " {";
      if (term.host) out += " host " + term.host->to_string();
      if (term.port) out += fmt::format(" port {}", *term.port);
      if (term.protocol) out += fmt::format(" protocol {}", *term.protocol);
      if (term.connection) out += " connection";
      if (term.flow_id) out += fmt::format(" flow_id {}", *term.flow_id);
      out += " }";
    }
    out += clause.size() > 4 ? " ...\n" : "\n";
  }
  return out;
}

void say_what_was_extracted(const ExtractStatement& s) {
  log_info("{}, {}, of {}{}; read {} of {} and {} of {}", counted(s.packets, "packet", "packets"),
           format_size(s.captured_bytes), s.flows_counted ? "" : "more than ", counted(s.flows, "flow", "flows"),
           s.read.segments_read, counted(s.read.segments, "segment", "segments"), s.read.frames_read,
           counted(s.read.frames, "frame", "frames"));
  log_info("{}", describe(s));
}

Origin origin_of(const std::vector<std::string>& store) {
  char host[HOST_NAME_MAX + 1] = "";
  (void)::gethostname(host, sizeof host - 1);
  const passwd* user = ::getpwuid(::getuid());
  return {host, user == nullptr ? std::to_string(::getuid()) : user->pw_name, kVersion, store};
}

// The key that signed the store's newest checkpoint, if it can be had. Only one that was named must be the right one.
Result<std::optional<SigningKey>> find_key(const std::string& named, const PacketEvidence& evidence) {
  for (const std::string& path : {named, evidence.key_path, SigningKey::default_path()}) {
    if (path.empty()) continue;
    auto key = SigningKey::load(path);
    if (key && key->public_key() == evidence.signer) return std::optional(std::move(*key));
    if (path != named) continue;
    if (!key) return fail("--signing-key {}", key.error().message);
    return fail("--signing-key {}: not the key that signed the store, {}", path, key_fingerprint(evidence.signer));
  }
  return std::optional<SigningKey>();
}

void say_what_is_proven(const ExtractStatement& s) {
  const uint64_t others = s.packets - s.bundle->proven;
  log_info("bundle: {} proven by the checkpoint of {}, signed by {}", counted(s.bundle->proven, "packet", "packets"),
           format_time(s.bundle->checkpoint_ns), s.bundle->key_fingerprint);
  if (others != 0) {
    log_warning("bundle: {} without a proof", counted(others, "packet", "packets"));
    for (const std::string& reason : s.bundle->not_proven) log_warning("bundle: {}", reason);
  }
  if (!s.bundle->manifest_signed) {
    log_warning(
        "bundle: its manifest is not signed, since the sensor's key is not here (--signing-key): the statement and the "
        "records are your word");
  }
}

Result<ExtractStatement> do_extract(StoreReader& reader, Expression& expression, const ExtractOptions& o) {
  std::atomic<uint64_t> looked_at{0};
  const auto stop = [&] {
    looked_at.fetch_add(1, std::memory_order_relaxed);
    return interrupted();
  };
  const ProgressLine progress([&] { return fmt::format("extracting: {} packets looked at", format_count(looked_at)); });
  if (!o.bundle.empty()) {
    BundleRequest request;
    request.directory = o.bundle;
    request.stores = o.query.store;
    request.range = o.query.range;
    request.origin = origin_of(o.query.store);
    request.append_record = [](std::string& out, const Record& record) { append_eve(out, record); };
    request.note = [&](ExtractStatement& statement, const Sha256Digest& packets) {
      statement.custody = note_extraction(statement, {o.bundle, packets, ""});
    };
    request.find_key = [&](const PacketEvidence& evidence) { return find_key(o.signing_key, evidence); };
    return extract_bundle(reader, expression, request, stop);
  }
  ExtractRequest request;
  request.range = o.query.range;
  request.origin = origin_of(o.query.store);
  request.output.path = o.output;
  request.output.format = o.capture_format();
  return extract(reader, expression, request, stop);
}

// Each extraction is noted, those that fail, too: they may have given packets away.
Result<ExtractStatement> extract_as_asked(StoreReader& reader, Expression& expression, const ExtractOptions& o) {
  const std::string& output = o.bundle.empty() ? o.output : o.bundle;
  Result<ExtractStatement> statement = do_extract(reader, expression, o);
  if (!statement) {
    ExtractStatement failed;
    failed.expression = expression.text();
    failed.range = o.query.range;
    failed.origin = origin_of(o.query.store);
    (void)note_extraction(failed, {output, std::nullopt, statement.error().message});  // the failure is what is said
  } else if (!statement->custody) {
    statement->custody = note_extraction(*statement, {output, std::nullopt, ""});
  }
  return statement;
}

// However it ends, it is noted in the store first that packets were given away.
int follow_and_tell(const CommandLine& line, const ExtractOptions& o, Expression& expression) {
  if (expression.record_types() != 0) {
    return line.usage_error("--follow: what is in records is known only after the packets");
  }
  ExtractRequest request;
  request.range = o.query.range;
  if (!request.range.since_ns) request.range.since_ns = wall_clock_ns();
  request.origin = origin_of(o.query.store);
  request.output.path = o.output;
  request.output.format = o.capture_format();
  request.output.comment = "Extracted by Gatetape while it was being recorded.";
  StoreTail tail(o.query.store);
  Result<ExtractStatement> statement = follow(tail, expression, request, interrupted);
  ExtractStatement noted = statement ? *statement : ExtractStatement();
  noted.expression = expression.text();
  noted.range = request.range;
  noted.origin = request.origin;
  const std::string failure = statement ? "" : statement.error().message;
  const CustodyFacts custody = note_extraction(noted, {o.output, std::nullopt, failure});
  if (!statement && statement.error().code == EPIPE) end_by_broken_pipe();
  if (!statement) return line.failed(statement.error());
  log_info("{}, {}", counted(statement->packets, "packet", "packets"), format_size(statement->captured_bytes));
  if (!custody.noted) log_warning("this extraction is not noted in the store's ledger: {}", custody.why_not);
  return kExitDone;
}

int extract_and_tell(const CommandLine& line, const ExtractOptions& o) {
  Result<Expression> expression = expression_of(o);
  if (!expression) return line.usage_error(expression.error().message);
  Result<std::unique_ptr<StoreReader>> reader = open_store(o.query.store);
  if (!reader) return line.failed(reader.error());
  if (!o.alert.empty()) {
    expression = with_alert(**reader, *expression, o.alert, o.query.range);
    if (!expression) return line.failed(expression.error());
  }
  Result<StoreSummary> summary = (*reader)->summary();
  if (!summary) return line.failed(summary.error());
  Result<std::vector<std::string>> notes = expression->compile(link_types_of(*summary));
  if (!notes) return line.usage_error(notes.error().message);
  for (const std::string& note : *notes) log_warning("{}", note);

  catch_interrupts();
  ignore_write_signals();  // an extraction that its reader ends is noted all the same
  make_files_private();    // extracts are as private as the store
  if (o.follow) return follow_and_tell(line, o, *expression);
  Result<ExtractStatement> statement = extract_as_asked(**reader, *expression, o);
  if (!statement && statement.error().code == EPIPE) end_by_broken_pipe();
  if (!statement) return line.failed(statement.error());
  if (o.explain) {
    fmt::print(stderr, "{}{}", expression->explain(), explain_index(index_filter_of(*expression)));
    fmt::print(stderr, "read: {} of {}, {}; {} skipped\n",
               counted(statement->read.packets_visited, "packet", "packets"),
               counted(statement->read.frames_read, "frame", "frames"), format_size(statement->read.bytes_read),
               counted(statement->read.frames - statement->read.frames_read, "frame", "frames"));
  }
  warn_of_damage(statement->read);
  say_what_was_extracted(*statement);
  if (!statement->custody->noted) {
    log_warning("this extraction is not noted in the store's ledger: {}", statement->custody->why_not);
  }
  if (statement->bundle) say_what_is_proven(*statement);
  if (!o.statement.empty()) {
    if (Result<void> written = write_statement(o.statement, *statement); !written) return line.failed(written.error());
  }
  if (o.require_complete && !statement->complete()) return kExitNotComplete;
  return kExitDone;
}

class ExtractCommand : public Command {
 public:
  CommandText text() const override {
    return {.command = "extract",
            .usage = "--store DIR [EXPR] [options]",
            .summary = std::string("Writes the stored packets that EXPR selects, or all without EXPR, with the bytes, "
                                   "times and order in which they were captured. States on stderr how complete they "
                                   "are.\n\n") +
                       kExpressionHelp,
            .examples =
                "  gatetape extract --store /var/lib/gatetape -w all.pcapng\n"
                "  gatetape extract --store /var/lib/gatetape --since -2h host 203.0.113.9 and port 443 | tshark -r -\n"
                "  gatetape extract --store /var/lib/gatetape 'http.host == \"shop.example.com\" and http.status >= "
                "500' -w "
                "x.pcapng\n"
                "  gatetape extract --store /var/lib/gatetape --sid 2019401 -w alert.pcapng --statement alert.json\n"
                "  gatetape extract --store /var/lib/gatetape host 203.0.113.9 --bundle case-17\n"
                "  gatetape extract --store /var/lib/gatetape --follow port 443 -w - | wireshark -k -i -\n"};
  }

  void add_options(CommandLine& line) override {
    o_.query.add_to(line);
    line.text("write,w", "FILE|-", o_.output, "output file (default: -, standard output)");
    line.choice("format", o_.format, {"pcapng", "pcap"},
                "format of the file; both have nanoseconds (default: pcap for a FILE that ends in .pcap, else pcapng)");
    line.take("sid", "N", take_term("sid", o_.sid), "short for: EXPR and sid N");
    line.take("community-id", "C", take_term("community_id", o_.community_id), "short for: EXPR and community_id C");
    line.take("alert", "ID", take_record_id(o_.alert),
              "packets of the connection of one alert, transaction or flow, by the ID that 'search' prints");
    line.text("statement", "FILE", o_.statement, "write a JSON statement of what was extracted and how complete it is");
    line.flag("require-complete", o_.require_complete, "end with 3 unless the extract is shown to be complete");
    line.flag("follow", o_.follow,
              "write packets as they are being recorded, from now on or from --since on, until SIGINT or SIGTERM; EXPR "
              "may not ask for what is in records (http., sid)");
    line.not_from_config("follow");
    line.flag("explain", o_.explain, "explain on stderr how EXPR was split and what was read");
    line.text("bundle", "DIR", o_.bundle,
              "instead of a file write a directory of packets, records, statement and the proofs that the sensor "
              "recorded these packets: 'verify --bundle' needs nothing else");
    line.text("signing-key", "FILE", o_.signing_key,
              "with --bundle: the sensor's key, which signs the manifest (default: where the sensor said that it lies, "
              "if you may read it)");
    line.positional(words_);
  }

  int run(const CommandLine& line) override {
    o_.query.expression = joined(words_);
    if (!o_.bundle.empty() && (line.given("write") || line.given("format"))) {
      return line.usage_error("--bundle writes a pcapng file of its own: leave --write and --format out");
    }
    if (o_.bundle.empty() && line.given("signing-key")) return line.usage_error("--signing-key is for --bundle");
    if (o_.follow && (!o_.bundle.empty() || !o_.statement.empty() || o_.require_complete || o_.explain)) {
      return line.usage_error(
          "--follow has no end that --bundle, --statement, --require-complete or --explain could tell of");
    }
    if (o_.follow && o_.query.range.until_ns)
      return line.usage_error("--follow ends when it is told to, not --until a time");
    if (const Result<void> checked = o_.query.check(line); !checked) return line.usage_error(checked.error().message);
    if (o_.bundle.empty() && o_.output == "-" && ::isatty(STDOUT_FILENO) != 0) {
      return line.usage_error("packets are not written to a terminal: use -w FILE or a pipe");
    }
    return extract_and_tell(line, o_);
  }

 private:
  ExtractOptions o_;
  std::vector<std::string> words_;
};

}  // namespace

std::unique_ptr<Command> command_extract() {
  return std::make_unique<ExtractCommand>();
}

}  // namespace gatetape
