// gatetape search shows stored flows, HTTP transactions and alerts, as a table or as EVE JSON.
#include "storage/query/search.h"

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/query_options.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/nearest_word.h"
#include "common/time_text.h"
#include "export/eve.h"
#include "packet/record_values.h"

namespace gatetape {

namespace {

constexpr size_t kFlushBytes = 64 * 1024;

std::optional<SearchKind> kind_of(std::string_view word) {
  if (word == "flows") return SearchKind::kFlows;
  if (word == "http") return SearchKind::kHttp;
  if (word == "alerts") return SearchKind::kAlerts;
  if (word == "transactions") return SearchKind::kTransactions;
  return std::nullopt;
}

std::string side(const IpAddress& address, uint16_t port, uint8_t protocol) {
  const std::string text = address.is_v4() ? address.to_string() : "[" + address.to_string() + "]";
  const bool ports = protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolSctp;
  return ports ? fmt::format("{}:{}", text, port) : text;
}

std::string source_of(const Endpoints& e) {
  return side(e.source, e.source_port, e.protocol);
}
std::string destination_of(const Endpoints& e) {
  return side(e.destination, e.destination_port, e.protocol);
}

// Writes one line per record, in columns of fixed width. An unusually long value shifts the rest of its line.
struct Columns {
  std::string& out;

  void heading(SearchKind kind) {
    switch (kind) {
      case SearchKind::kFlows:
        out += fmt::format("{:<30}  {:>10}  {:<9}  {:<22}  {:<22}  {:>15}  {:>19}  {:<7}  {:>6}  {}\n", "FIRST PACKET",
                           "SECONDS", "PROTOCOL", "CLIENT", "SERVER", "PACKETS TO/FROM", "BYTES TO/FROM", "APP",
                           "ALERTS", "END");
        return;
      case SearchKind::kHttp:
        out += fmt::format("{:<30}  {:<22}  {:<22}  {:<7}  {:>6}  {:>10}  {}\n", "REQUEST", "CLIENT", "SERVER",
                           "METHOD", "STATUS", "LENGTH", "HOST AND URI");
        return;
      case SearchKind::kAlerts:
        out += fmt::format("{:<30}  {:>8}  {:>10}  {:<22}  {:<22}  {}\n", "TIME", "SEVERITY", "SID", "SOURCE",
                           "DESTINATION", "SIGNATURE");
        return;
      case SearchKind::kTransactions:
        out += fmt::format("{:<30}  {:<22}  {:<22}  {:<8}  {}\n", "TIME", "CLIENT", "SERVER", "PROTOCOL", "VALUES");
        return;
    }
  }

  void line(const FlowRecord& r) {
    const double seconds = static_cast<double>(r.last_timestamp_ns - r.first_timestamp_ns) / 1e9;
    out += fmt::format("{:<30}  {:>10.3f}  {:<9}  {:<22}  {:<22}  {:>15}  {:>19}  {:<7}  {:>6}  {}\n",
                       format_time(r.first_timestamp_ns), seconds, protocol_name(r.endpoints.protocol),
                       source_of(r.endpoints), destination_of(r.endpoints),
                       fmt::format("{}/{}", r.packets[0], r.packets[1]), fmt::format("{}/{}", r.bytes[0], r.bytes[1]),
                       r.app_protocol == AppProtocol::kUnknown ? "-" : to_string(r.app_protocol), r.alerts,
                       to_string(r.end));
  }

  void line(const HttpRecord& r) {
    out += fmt::format("{:<30}  {:<22}  {:<22}  {:<7}  {:>6}  {:>10}  {}{}\n", format_time(r.timestamp_ns),
                       source_of(r.endpoints), destination_of(r.endpoints), printable(r.method),
                       r.status == 0 ? "-" : std::to_string(r.status), r.response_body_length, printable(r.host),
                       printable(r.uri));
  }

  void line(const AlertRecord& r) {
    out += fmt::format("{:<30}  {:>8}  {:>10}  {:<22}  {:<22}  {}", format_time(r.timestamp_ns), r.severity, r.sid,
                       source_of(r.endpoints), destination_of(r.endpoints), printable(r.signature));
    if (r.has_transaction) out += fmt::format("  [{} {}{}]", printable(r.method), printable(r.host), printable(r.uri));
    out += "\n";
  }

  void line(const TransactionRecord& r) {
    out += fmt::format("{:<30}  {:<22}  {:<22}  {:<8} ", format_time(r.timestamp_ns), source_of(r.endpoints),
                       destination_of(r.endpoints), to_string(r.protocol));
    for_each_value(r.values, [&](std::string_view name, const RecordValue& value) {
      const auto* text = std::get_if<std::string_view>(&value);
      out +=
          fmt::format(" {}={}", name, text != nullptr ? printable(*text) : std::to_string(std::get<uint64_t>(value)));
    });
    out += "\n";
  }

  void line(const AccountRecord&) {}
  void line(const EventRecord&) {}
  void line(const RunRecord&) {}
  void line(const SyncFailureRecord&) {}
};

bool flush(std::string& out) {
  const bool written = std::fwrite(out.data(), 1, out.size(), stdout) == out.size() && std::fflush(stdout) == 0;
  out.clear();
  return written;
}

int show(const CommandLine& line, Expression& expression, SearchKind kind, const QueryOptions& query, bool json) {
  Result<std::unique_ptr<StoreReader>> reader = open_store(query.store);
  if (!reader) return line.failed(reader.error());
  catch_interrupts();
  std::string out;
  Columns columns{out};
  bool written = true;
  uint64_t count = 0;
  if (!json) columns.heading(kind);
  Result<ReadStatistics> read = search(**reader, expression, kind, query.range, [&](const Record& record) {
    ++count;
    if (json) {
      append_eve(out, record);
      out.push_back('\n');
    } else {
      std::visit([&](const auto& concrete) { columns.line(concrete); }, record);
    }
    if (out.size() >= kFlushBytes) written = flush(out);
    return written && !interrupted();
  });
  if (!read) return line.failed(read.error());
  written = written && flush(out);
  if (!written) return line.failed(Error{"standard output: it cannot be written"});
  warn_of_damage(*read);
  if (interrupted())
    return line.failed(Error{fmt::format("interrupted after {}", counted(count, "record", "records"))});
  return kExitDone;
}

class SearchCommand : public Command {
 public:
  CommandText text() const override {
    return {.command = "search",
            .usage = "--store DIR flows|http|alerts|transactions [EXPR] [options]",
            .summary = std::string("Shows the stored records of one kind that EXPR selects: flows that have ended, "
                                   "HTTP transactions, alerts, or transactions of other protocols. Records answer "
                                   "these words of a tcpdump filter: host, net A/L, port, portrange, src, dst, ip, "
                                   "ip6, tcp, udp, sctp, icmp, icmp6. With --json, each line is an EVE event, as in "
                                   "Suricata's eve.json.\n\n") +
                       kExpressionHelp,
            .examples =
                "  gatetape search --store /var/lib/gatetape alerts --since -1h\n"
                "  gatetape search --store /var/lib/gatetape http 'http.status >= 500 and host 203.0.113.9'\n"
                "  gatetape search --store /var/lib/gatetape flows sid 2019401 --json | jq .community_id\n"};
  }

  void add_options(CommandLine& line) override {
    query_.add_to(line);
    line.flag("json", json_, "print EVE JSON, one event per line");
    line.positional(words_);
  }

  int run(const CommandLine& line) override {
    if (words_.empty()) return line.usage_error("say what to search: flows, http, alerts or transactions");
    const std::optional<SearchKind> kind = kind_of(words_.front());
    if (!kind) {
      return line.usage_error(fmt::format("'{}': expected flows, http, alerts or transactions{}", words_.front(),
                                          did_you_mean(words_.front(), {"flows", "http", "alerts", "transactions"})));
    }
    query_.expression = joined({words_.begin() + 1, words_.end()});
    if (const Result<void> checked = query_.check(line); !checked) return line.usage_error(checked.error().message);
    Result<Expression> expression = Expression::parse(query_.expression);
    if (!expression) return line.usage_error(expression.error().message);
    const Result<void> checked = expression->check_for_records();
    if (!checked) return line.usage_error(checked.error().message);
    return show(line, *expression, *kind, query_, json_);
  }

 private:
  QueryOptions query_;
  std::vector<std::string> words_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> command_search() {
  return std::make_unique<SearchCommand>();
}

}  // namespace gatetape
