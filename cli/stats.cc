// gatetape stats shows what the store holds, where every packet went, and what the sensor could not see.
#include <time.h>
#include <unistd.h>

#include "capture/visibility.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/query_options.h"
#include "common/count_text.h"
#include "common/json_writer.h"
#include "common/log.h"
#include "common/time_text.h"
#include "packet/account_report.h"
#include "storage/query/account_span.h"
#include "storage/query/retention.h"

namespace gatetape {

namespace {

struct StoreState {
  StoreSummary summary;
  AccountSpan account;
  Retention retention;
  std::vector<std::string> blind_spots;  // from the last run's account
};

Result<StoreState> read_state(const std::vector<std::string>& store) {
  Result<std::unique_ptr<StoreReader>> reader = open_store(store);
  if (!reader) return pass_on(reader);
  Result<StoreSummary> summary = (*reader)->summary();
  if (!summary) return pass_on(summary);
  Result<std::vector<StoredSegment>> segments = (*reader)->segments();
  if (!segments) return pass_on(segments);
  StoreState state{std::move(*summary), {}, {}, {}};
  state.retention = retention_of(system_files(), store, state.summary, *segments, wall_clock_ns());
  const auto add = [&](const Record& record) {
    state.account.add(std::get<AccountRecord>(record));
    return !interrupted();
  };
  const Result<ReadStatistics> read = (*reader)->records({{}, {}, record_types<AccountRecord>()}, add);
  if (!read) return tl::unexpected<Error>(read.error());
  warn_of_damage(*read);
  const WorkerAccount worker = state.account.last_run_worker();
  const bool has_ingress =
      worker[Counter::kToIngress] + worker[Counter::kFromIngress] + worker[Counter::kFilteredNotIngress] != 0;
  if (state.account.records() != 0) {
    state.blind_spots = blind_spots(worker, has_ingress, !state.account.last_run_of_file());
  }
  return state;
}

double ratio(const StoreSummary& summary) {
  if (summary.stored_bytes == 0) return 0;
  return static_cast<double>(summary.captured_bytes) / static_cast<double>(summary.stored_bytes);
}

// ---------------------------------------------------------------- for people

// A length of time in the two units that matter: "3 d 4 h".
std::string span_text(double seconds) {
  struct Unit {
    double seconds;
    const char* name;
  };
  static constexpr Unit kUnits[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};
  for (size_t i = 0; i < std::size(kUnits); ++i) {
    if (seconds < kUnits[i].seconds) continue;
    const auto whole = static_cast<uint64_t>(seconds / kUnits[i].seconds);
    const double rest = seconds - static_cast<double>(whole) * kUnits[i].seconds;
    const Unit& next = i + 1 < std::size(kUnits) ? kUnits[i + 1] : Unit{1, "s"};
    const auto parts = static_cast<uint64_t>(rest / next.seconds);
    const std::string text = fmt::format("{} {}", format_count(whole), kUnits[i].name);
    return parts == 0 ? text : fmt::format("{} {} {}", text, parts, next.name);
  }
  return fmt::format("{:.1f} s", seconds);
}

double reach_seconds(const StoreSummary& s) {
  return static_cast<double>(s.newest_ns - s.oldest_ns) / static_cast<double>(kNanosecondsPerSecond);
}

// How far back the ring reaches, and for how long it lasts.
std::string retention_text(const StoreState& state) {
  const Retention& r = state.retention;
  const auto row = [](const char* name, const std::string& text) { return fmt::format("  {:<26}{}\n", name, text); };
  std::string out;
  if (state.summary.packets != 0)
    out += row("reaches back", span_text(reach_seconds(state.summary)) + ", from the oldest packet to the newest");
  out += row("ring", r.ring_bytes == 0 ? "no --ring-size: as large as the disk allows" : format_size(r.ring_bytes));
  if (r.bytes_per_second > 0) {
    const std::string rate = format_size(static_cast<uint64_t>(r.bytes_per_second * 86400)) + " a day";
    const auto fits = r.seconds_that_fit();
    out += row("at the last run's rate", fits ? fmt::format("{}: {} fit", rate, span_text(*fits)) : rate);
  }
  out += row("overwritten", r.overwritten_segments == 0
                                ? "nothing yet"
                                : fmt::format("{} in {}, until {}", counted(r.overwritten_packets, "packet", "packets"),
                                              counted(r.overwritten_segments, "segment", "segments"),
                                              format_time(*r.overwritten_until_ns)));
  if (r.unclean_runs_ns.empty()) return out;
  constexpr size_t kNamed = 5;
  std::string begun;
  const size_t first = r.unclean_runs_ns.size() - std::min(r.unclean_runs_ns.size(), kNamed);
  for (size_t i = first; i < r.unclean_runs_ns.size(); ++i) {
    begun += (begun.empty() ? "" : ", ") + format_time(r.unclean_runs_ns[i]);
  }
  return out + row("runs without an end",
                   fmt::format("{} (killed, or the power failed), begun {}{}", format_count(r.unclean_runs_ns.size()),
                               first == 0 ? "" : "..., ", begun));
}

std::string text_of(const StoreState& state) {
  const StoreSummary& s = state.summary;
  std::string out = "Store\n";
  out += fmt::format("  {:<26}{:>16}\n", "packets", format_count(s.packets));
  out += fmt::format("  {:<26}{:>16}\n", "captured", format_size(s.captured_bytes));
  out += fmt::format("  {:<26}{:>16}{}\n", "on disk, index included", format_size(s.stored_bytes),
                     s.stored_bytes == 0 ? "" : fmt::format("   1 : {:.2f}", ratio(s)));
  out += fmt::format("  {:<26}{:>16}   {} open\n", "segments", format_count(s.segments), format_count(s.segments_open));
  if (s.packets != 0) {
    out += fmt::format("  {:<26}{}\n  {:<26}{}\n", "oldest packet", format_time(s.oldest_ns), "newest packet",
                       format_time(s.newest_ns));
  }
  out += retention_text(state);
  for (const StoreInterface& interface : s.interfaces) {
    out += fmt::format("  {:<26}{} (link type {}){}\n", "interface", printable(interface.name),
                       static_cast<int>(interface.link_type),
                       interface.store.empty() ? "" : " of the store " + interface.store);
  }
  if (state.account.records() == 0) return out + "\nThe store has no account.\n";

  out += fmt::format("\nLast run, until {}\n", format_time(state.account.last_ns()));
  const PortAccount last_port = state.account.last_run_port();
  append_balance_text(out, state.account.last_run_of_file() ? nullptr : &last_port, state.account.last_run_worker());
  append_beside_balance_text(out, state.account.last_run_worker());
  if (state.account.runs() > 1) {
    out += fmt::format("\nAll runs in this store ({})\n", format_count(state.account.runs()));
    const PortAccount port = state.account.port();
    append_balance_text(out, &port, state.account.worker(), false);
  }
  out += state.blind_spots.empty() ? "" : "\nWhat could not be seen\n";
  for (const std::string& spot : state.blind_spots) out += fmt::format("  - {}\n", spot);
  return out;
}

// ---------------------------------------------------------------- JSON

void append_run(JsonWriter& json, const PortAccount& port, const WorkerAccount& worker) {
  json.begin_object("port");
  append_account(json, port);
  json.end_object().begin_object("account");
  append_account(json, worker);
  json.end_object()
      .field("received_bytes", worker[Counter::kReceivedBytes])
      .field("flows", worker[Counter::kFlowsCreated]);
  json.field("http", worker[Counter::kHttpTransactions]).field("alerts", worker[Counter::kAlerts]);
  json.field("records_dropped", worker[Counter::kRecordsDropped]).field("super_frames", worker[Counter::kSuperFrames]);
  json.field("acknowledged_unseen_bytes", worker[Counter::kTcpAcknowledgedUnseen]);
  json.field("encrypted_bytes", worker[Counter::kEncryptedBytes]).field("to_ingress", worker[Counter::kToIngress]);
  json.field("from_ingress", worker[Counter::kFromIngress]);
}

void append_retention(JsonWriter& json, const StoreState& state) {
  const Retention& r = state.retention;
  if (state.summary.packets != 0) json.field("reach_seconds", reach_seconds(state.summary));
  if (r.ring_bytes != 0) json.field("ring_bytes", r.ring_bytes);
  if (r.bytes_per_second > 0) json.field("stored_bytes_per_second", r.bytes_per_second);
  if (const auto fits = r.seconds_that_fit()) json.field("seconds_that_fit", *fits);
  json.begin_object("overwritten").field("packets", r.overwritten_packets).field("segments", r.overwritten_segments);
  if (r.overwritten_until_ns) json.field("until", format_time(*r.overwritten_until_ns));
  json.end_object().begin_array("unclean_runs");
  for (const int64_t begun_ns : r.unclean_runs_ns) json.value(format_time(begun_ns));
  json.end_array();
}

std::string json_of(const StoreState& state) {
  const StoreSummary& s = state.summary;
  std::string out;
  JsonWriter json(out);
  json.begin_object().begin_object("store").field("packets", s.packets).field("captured_bytes", s.captured_bytes);
  json.field("stored_bytes", s.stored_bytes).field("ratio", ratio(s)).field("segments", s.segments);
  json.field("segments_open", s.segments_open);
  if (s.packets != 0) json.field("oldest", format_time(s.oldest_ns)).field("newest", format_time(s.newest_ns));
  append_retention(json, state);
  json.begin_array("interfaces");
  for (const StoreInterface& interface : s.interfaces) {
    json.begin_object().field("name", interface.name).field("link_type", static_cast<int>(interface.link_type));
    if (!interface.store.empty()) json.field("store", interface.store);
    json.end_object();
  }
  json.end_array().end_object().field("runs", state.account.runs());
  if (state.account.records() != 0) {
    json.begin_object("last_run").field("until", format_time(state.account.last_ns()));
    append_run(json, state.account.last_run_port(), state.account.last_run_worker());
    json.end_object().begin_object("all_runs");
    append_run(json, state.account.port(), state.account.worker());
    json.end_object();
  }
  json.begin_array("not_seen");
  for (const std::string& spot : state.blind_spots) json.value(spot);
  json.end_array().end_object();
  return out + "\n";
}

// Waits for a second or until a signal.
void wait_a_second() {
  const timespec second{1, 0};
  nanosleep(&second, nullptr);
}

class StatsCommand : public Command {
 public:
  CommandText text() const override {
    return {.command = "stats",
            .usage = "--store DIR [--json] [--watch]",
            .summary =
                "Shows what the store holds, where every packet of the last run went (the sums must balance), "
                "and what the sensor could not see. Reads while a capture writes.",
            .examples =
                "  gatetape stats --store /var/lib/gatetape\n"
                "  gatetape stats --store /var/lib/gatetape --json | jq .last_run.account\n"
                "  gatetape stats --store /var/lib/gatetape --watch\n"};
  }

  void add_options(CommandLine& line) override {
    add_store_option(line, store_);
    line.require("store", "the directory of the store");
    line.flag("json", json_, "print one JSON object (with --watch: one per second)");
    line.flag("watch", watch_, "print again each second until Ctrl-C");
  }

  int run(const CommandLine& line) override {
    catch_interrupts();
    const char* separator = "";  // between what is printed each second, where nothing can be redrawn
    do {
      const Result<StoreState> state = read_state(store_);
      if (!state) return line.failed(state.error());
      if (interrupted()) return watch_ ? kExitDone : line.failed(Error{"interrupted"});
      fmt::print("{}{}", redraw() ? "\x1b[H\x1b[J" : separator, json_ ? json_of(*state) : text_of(*state));
      if (!json_) separator = "\n";
      if (std::fflush(stdout) != 0) return line.failed(Error{"standard output: it cannot be written"});
      if (watch_ && !interrupted()) wait_a_second();
    } while (watch_ && !interrupted());
    return kExitDone;
  }

 private:
  bool redraw() const { return watch_ && !json_ && ::isatty(STDOUT_FILENO) != 0; }

  std::vector<std::string> store_;
  bool json_ = false, watch_ = false;
};

}  // namespace

std::unique_ptr<Command> command_stats() {
  return std::make_unique<StatsCommand>();
}

}  // namespace gatetape
