// gatetape extract writes stored packets to a capture file and states how complete they are.
#include "storage/query/extract.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <climits>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/query_options.h"
#include "cli/rights.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/time_text.h"
#include "common/version.h"
#include "storage/query/index_planning.h"

namespace gatetape {

namespace {

struct ExtractOptions {
  QueryOptions query;
  std::string output = "-";
  std::string format = "pcapng";
  std::string statement;
  std::string sid, community_id;
  std::string bundle;
};

void add_options(ExtractOptions& o, po::options_description& options) {
  o.query.add_to(options);
  options.add_options()("write,w", po::value(&o.output)->value_name("FILE|-"),
                        "output file (default -, standard output)");
  options.add_options()("format", po::value(&o.format)->value_name("pcapng|pcap"),
                        "default pcapng; both in nanoseconds");
  options.add_options()("sid", po::value(&o.sid)->value_name("N"), "short for: EXPR and sid N");
  options.add_options()("community-id", po::value(&o.community_id)->value_name("C"),
                        "short for: EXPR and community_id C");
  options.add_options()("statement", po::value(&o.statement)->value_name("FILE"),
                        "write a JSON statement of what was extracted and how complete it is");
  options.add_options()("require-complete", "end with 3 unless the extract is shown to be complete");
  options.add_options()("explain", "explain on stderr how EXPR was split and what was read");
  options.add_options()("bundle", po::value(&o.bundle)->value_name("DIR"), "not available yet");
}

// Joins the user's expression with the terms of --sid and --community-id. Each is first parsed alone, so that columns
// in error messages are the user's.
Result<Expression> expression_of(const ExtractOptions& o) {
  std::string text = o.query.expression;
  Result<Expression> expression = Expression::parse(text);
  if (!expression) return expression;
  for (const auto& [name, value] : {std::pair("sid", o.sid), std::pair("community_id", o.community_id)}) {
    if (value.empty()) continue;
    const std::string term = fmt::format("{} \"{}\"", name, value);
    if (Result<Expression> alone = Expression::parse(term); !alone) return alone;
    text = expression->selects_everything() ? term : fmt::format("({}) and {}", text, term);
    expression = Expression::parse(text);
    if (!expression) return expression;
  }
  return expression;
}

Result<CaptureFormat> format_of(const std::string& name) {
  if (name == "pcapng") return CaptureFormat::kPcapng;
  if (name == "pcap") return CaptureFormat::kPcap;
  return fail("--format {}: expected pcapng or pcap", name);
}

Result<void> write_statement(const std::string& path, const ExtractStatement& statement) {
  std::string json;
  append_statement(json, statement);
  json.push_back('\n');
  Result<std::unique_ptr<OutputFile>> file = OutputFile::open(path);
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

Origin origin_of(const std::vector<std::string>& stores) {
  char host[HOST_NAME_MAX + 1] = "";
  (void)::gethostname(host, sizeof host - 1);
  const passwd* user = ::getpwuid(::getuid());
  return {host, user == nullptr ? std::to_string(::getuid()) : user->pw_name, kVersion, stores};
}

int run(const CommandLine& line, const ExtractOptions& o, CaptureFormat format, const TimeRange& range) {
  Result<Expression> expression = expression_of(o);
  if (!expression) return line.usage_error(expression.error().message);
  Result<std::unique_ptr<StoreReader>> reader = open_store(o.query.store);
  if (!reader) return line.failed(reader.error());
  Result<StoreSummary> summary = (*reader)->summary();
  if (!summary) return line.failed(summary.error());
  Result<std::vector<std::string>> notes = expression->compile(link_types_of(*summary));
  if (!notes) return line.usage_error(notes.error().message);
  for (const std::string& note : *notes) log_warning("{}", note);

  catch_interrupts();
  make_files_private();  // extracts are as private as the store
  ExtractRequest request;
  request.range = range;
  request.origin = origin_of(o.query.store);
  request.output.path = o.output;
  request.output.format = format;
  Result<ExtractStatement> statement = extract(**reader, *expression, request, interrupted);
  if (!statement) return line.failed(statement.error());
  if (line.has("explain")) {
    fmt::print(stderr, "{}{}", expression->explain(), explain_index(index_filter_of(*expression)));
    fmt::print(stderr, "read: {} of {}, {}; {} skipped\n",
               counted(statement->read.packets_visited, "packet", "packets"),
               counted(statement->read.frames_read, "frame", "frames"), format_size(statement->read.bytes_read),
               counted(statement->read.frames - statement->read.frames_read, "frame", "frames"));
  }
  warn_of_damage(statement->read);
  say_what_was_extracted(*statement);
  if (!o.statement.empty()) {
    if (Result<void> written = write_statement(o.statement, *statement); !written) return line.failed(written.error());
  }
  if (line.has("require-complete") && !statement->complete()) return kExitNotComplete;
  return kExitDone;
}

}  // namespace

int command_extract(int argc, char** argv) {
  ExtractOptions o;
  const std::string summary = std::string(
                                  "Writes the stored packets that EXPR selects, or all without EXPR, with the bytes, "
                                  "times and order in which they\n"
                                  "were captured. States on stderr how complete they are.\n\n") +
                              kExpressionHelp;
  CommandLine line(
      {.command = "extract",
       .usage = "--store DIR [EXPR] [options]",
       .summary = summary.c_str(),
       .examples =
           "  gatetape extract --store /var/lib/gatetape -w all.pcapng\n"
           "  gatetape extract --store /var/lib/gatetape --since -2h host 203.0.113.9 and port 443 | tshark -r -\n"
           "  gatetape extract --store /var/lib/gatetape 'http.host == \"shop.example.com\" and http.status >= 500' -w "
           "x.pcapng\n"
           "  gatetape extract --store /var/lib/gatetape --sid 2019401 -w alert.pcapng --statement alert.json\n"});
  add_options(o, line.options());
  line.positional("expression");
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  o.query.expression = line.joined("expression");

  if (!o.bundle.empty()) return line.usage_error("--bundle is not available yet");
  const Result<CaptureFormat> format = format_of(o.format);
  if (!format) return line.usage_error(format.error().message);
  const Result<TimeRange> range = o.query.range();
  if (!range) return line.usage_error(range.error().message);
  if (o.output == "-" && ::isatty(STDOUT_FILENO) != 0) {
    return line.usage_error("packets are not written to a terminal: use -w FILE or a pipe");
  }
  return run(line, o, *format, *range);
}

}  // namespace gatetape
