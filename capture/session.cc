#include "capture/session.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <thread>

#include "capture/account_keeper.h"
#include "capture/distributor.h"
#include "capture/session_account.h"
#include "capture/session_watch.h"
#include "capture/sources/source_spec.h"
#include "capture/visibility.h"
#include "capture/worker.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/thread_name.h"
#include "common/time_text.h"
#include "common/version.h"
#include "rules/engine/compile.h"

namespace gatetape {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kLinkHeaderBytesMax = 14 + 2 * 4;  // Ethernet and two VLAN tags
constexpr std::chrono::milliseconds kRoundPause{5};
constexpr std::chrono::seconds kAccountInterval{1};
// Time after the start when the operator is first told what the capture cannot see.
constexpr std::chrono::seconds kFirstLook{5};

// Returns the CPUs that this process may use, in order.
std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}

class Session {
 public:
  Session(const SessionOptions& options, const std::atomic<bool>& stop) : options_(options), asked_to_stop_(stop) {}

  Result<void> start();
  SessionSummary run();

 private:
  Result<void> open_sources();
  Result<void> start_outlets();
  Result<void> open_filter();
  Result<void> open_store();
  void make_workers();
  void start_threads();
  bool write_records();
  void write(const RecordBatch& batch);
  void keep_account();
  void forget_account();
  void write_accounts();
  void write_last_accounts();
  void write_own_records();
  void note_for_store(const RecordBatch& events);
  void watch_clock();
  void note_each_second();
  void end_outlets();
  void end_other_outlets();
  void write_beginning(const std::string& sources);
  RecordBatch end_mark() const;
  void write_end();
  void look_around();
  bool all_moved(std::vector<uint64_t>& since) const;
  void tell_observer(bool second);
  void reload();
  void show_progress();
  void watch_for_failures();
  void stop_sources();
  void fail_with(const Error& error);
  bool all_finished() const;
  bool is_import() const;
  void finish();
  SessionSummary summary() const;

  const SessionOptions& options_;
  const std::atomic<bool>& asked_to_stop_;
  bool interrupted_ = false;  // see SessionSummary
  bool stopping_ = false;     // the sources were told to end, by the user or because something failed
  int64_t start_ns_ = 0;
  Clock::time_point started_;
  bool live_ = false;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<SourceInput> inputs_;
  std::vector<StoreInterface> interfaces_;
  uint32_t mtu_ = 0;  // the largest MTU of the interfaces; 0: not known
  std::optional<PacketFilter> filter_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Distributor> distributor_;
  std::thread distributor_thread_;
  Result<void> distributor_outcome_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<RecordSink*> sinks_;
  RecordBatch own_records_;
  RecordBatch killed_;  // accounts that killed runs left
  std::vector<Outlet*> all_outlets_;
  SessionAccount account_{sources_, workers_, all_outlets_};
  SessionWatch watch_{sources_, options_.sources, all_outlets_};
  std::unique_ptr<AccountKeeper> keeper_;  // asks the account, on a thread of its own
  bool looked_around_ = false;
  bool recording_told_ = false;
  std::vector<uint64_t> rounds_at_start_, rounds_at_second_, rounds_at_reload_;  // see all_moved()
  Result<void> outcome_;
};

Result<void> Session::open_sources() {
  auto sources = gatetape::open_sources(
      options_.sources,
      {.workers = options_.workers, .verbose = options_.verbose, .follow = options_.follow, .stop = &asked_to_stop_});
  if (!sources) return pass_on(sources);
  sources_ = std::move(*sources);
  for (const auto& source : sources_) {
    inputs_.push_back({source.get(), static_cast<uint16_t>(interfaces_.size())});
    for (const InterfaceInfo& info : source->interfaces()) {
      interfaces_.push_back({info.name, info.link_type, info.snap_length});
      mtu_ = std::max(mtu_, info.mtu);
    }
    live_ |= source->live();
  }
  const bool mixed = std::any_of(sources_.begin(), sources_.end(), [&](const auto& s) { return s->live() != live_; });
  if (mixed) return fail("a file and a network port cannot be captured together: their clocks differ");
  return {};
}

Result<void> Session::start_outlets() {
  for (Outlet* outlet : options_.outlets) {
    const OutletStart start = {.may_wait = !live_, .stop = &asked_to_stop_, .reopen_count = options_.reopen_count};
    if (Result<void> started = outlet->start(start); !started) return started;
    sinks_.push_back(outlet);
  }
  all_outlets_ = options_.outlets;
  all_outlets_.insert(all_outlets_.end(), options_.other_outlets.begin(), options_.other_outlets.end());
  return {};
}

Result<void> Session::open_filter() {
  std::vector<LinkType> link_types;
  for (const StoreInterface& interface : interfaces_) link_types.push_back(interface.link_type);
  Result<PacketFilter> filter = PacketFilter::compile(options_.filter, link_types);
  if (!filter) return pass_on(filter);
  filter_.emplace(std::move(*filter));
  return {};
}

Result<void> Session::open_store() {
  if (!options_.store) return {};
  StoreOptions store_options = *options_.store;
  store_options.workers = options_.workers;
  store_options.interfaces = interfaces_;
  store_options.run_started_ns = start_ns_;
  store_options.shared_ordinals = distributor_ != nullptr || options_.workers == 1;
  Result<std::unique_ptr<Store>> store = Store::open(store_options, live_);
  if (!store) return pass_on(store);
  store_ = std::move(*store);
  sinks_.push_back(&store_->records());
  return {};
}

void Session::make_workers() {
  for (unsigned i = 0; i < options_.workers; ++i) {
    PipelineOptions pipeline = options_.pipeline;
    pipeline.worker = static_cast<uint16_t>(i);
    pipeline.start_ns = start_ns_;
    pipeline.packet_clock = !live_;
    if (mtu_ != 0) pipeline.packet_bytes_max = mtu_ + kLinkHeaderBytesMax;
    StoreWorker* store = store_ == nullptr ? nullptr : &store_->worker(i);
    if (distributor_ != nullptr) {
      workers_.push_back(
          std::make_unique<Worker>(pipeline, *distributor_, *filter_, options_.rules, store, live_, !sinks_.empty()));
    } else {
      workers_.push_back(
          std::make_unique<Worker>(pipeline, inputs_, *filter_, options_.rules, store, live_, !sinks_.empty()));
    }
  }
}

Result<void> Session::start() {
  start_ns_ = wall_clock_ns();
  if (Result<void> opened = open_sources(); !opened) return opened;
  if (options_.ports_opened) {
    if (Result<void> done = options_.ports_opened(); !done) return done;
  }
  if (Result<void> started = start_outlets(); !started) return started;
  if (Result<void> opened = open_filter(); !opened) return opened;
  const bool queue_each = std::all_of(sources_.begin(), sources_.end(),
                                      [&](const auto& s) { return s->queue_count() == options_.workers; });
  if (!queue_each) distributor_ = std::make_unique<Distributor>(inputs_, options_.workers, live_);
  if (Result<void> opened = open_store(); !opened) return opened;
  make_workers();
  account_.begin(start_ns_, live_);
  keep_account();
  return {};
}

// The run before may have been killed: its last words are taken out of the store's account file before this run makes
// its own. What cannot be read of them is lost, and said.
void Session::keep_account() {
  if (store_ == nullptr) return;
  FileSystem& files = options_.store->files != nullptr ? *options_.store->files : system_files();
  const std::vector<std::string>& directories = options_.store->directories;
  Result<RecordBatch> killed = accounts_of_killed(files, directories);
  if (killed) {
    killed_ = std::move(*killed);
  } else {
    log_warning("the account of the run before is lost: {}", killed.error().message);
  }
  AccountFileHeader header = AccountFileHeader::make();
  header.run_uuid = store_->run_uuid();
  header.run_started_ns = start_ns_;
  header.of_file = !live_;
  header.workers = static_cast<uint16_t>(workers_.size());
  header.earlier.assign(killed_.bytes().begin(), killed_.bytes().end());
  keeper_ = std::make_unique<AccountKeeper>(
      [&files, directory = directories.front(), header] { return AccountFile::create(files, directory, header); },
      [this](bool last) { return account_.to_keep(last); }, system_clock());
}

// After a proper end the records have all that the file has. It goes, so that nothing is left in the store that nobody
// signed.
void Session::forget_account() {
  FileSystem& files = options_.store->files != nullptr ? *options_.store->files : system_files();
  const std::string path = options_.store->directories.front() + "/" + kAccountFileName;
  const Result<void> removed = files.remove(path);
  if (!removed && removed.error().code != ENOENT) log_warning("{}", removed.error().message);
}

void Session::start_threads() {
  const std::vector<int> cpus = allowed_cpus();
  const auto cpu = [&](size_t i) { return cpus.empty() ? -1 : cpus[i % cpus.size()]; };
  for (size_t i = 0; i < workers_.size(); ++i) workers_[i]->start(cpu(i));
  // The distributor is not pinned, so that the system finds the idlest core when each has a worker.
  if (distributor_ != nullptr) {
    distributor_thread_ = std::thread([this] {
      name_this_thread("gt-distributor");
      distributor_outcome_ = distributor_->run();
    });
  }
}

void Session::fail_with(const Error& error) {
  if (outcome_) outcome_ = tl::unexpected<Error>(error);
  stop_sources();
}

void Session::stop_sources() {
  if (stopping_) return;
  stopping_ = true;
  if (options_.observer != nullptr) options_.observer->stopping();
  for (const auto& source : sources_) source->stop();
}

void Session::write(const RecordBatch& batch) {
  if (batch.empty()) return;
  for (RecordSink* sink : sinks_) {
    if (Result<void> written = sink->write(batch); !written) fail_with(written.error());
  }
}

// Writes the batches that wait in the workers' outlets. Returns false when there were none.
bool Session::write_records() {
  bool wrote = false;
  for (const auto& worker : workers_) {
    while (RecordBatch* batch = worker->records().take_full()) {
      write(*batch);
      worker->records().give_back(batch);
      wrote = true;
    }
  }
  return wrote;
}

// Stores the accounts of network ports, as of now. Workers that read files report themselves, by packet time.
void Session::write_accounts() {
  if (sinks_.empty()) return;
  account_.append_now(own_records_);
  write_own_records();
}

// Stores the last accounts of files once all is stored.
void Session::write_last_accounts() {
  if (sinks_.empty()) return;
  account_.append_last(own_records_);
  write_own_records();
}

void Session::write_own_records() {
  if (own_records_.empty()) return;
  write(own_records_);
  own_records_.clear();
}

// The marks between which a run vouches for its time.
void Session::write_beginning(const std::string& sources) {
  char host[HOST_NAME_MAX + 1] = "";
  (void)::gethostname(host, sizeof host - 1);
  const std::string filters = describe(options_.filter);
  const std::string clock = live_ ? describe_wall_clock() : "the packets' own, as their source dated them";
  std::string sids, rules;
  // Hashing the rules takes a moment, and the record of a run without a store goes to outlets alone.
  if (options_.rules != nullptr && store_ != nullptr) {
    sids = encode_sids(options_.rules->sids());
    rules = options_.rules->identity();
  }
  RunRecord run;
  run.timestamp_ns = run.run_started_ns = start_ns_;
  run.of_file = !live_;
  run.build = kVersion;
  run.host = host;
  run.user = options_.user;
  run.sources = sources;
  run.filters = filters;
  run.rules = rules;
  run.sids = sids;
  run.clock = clock;
  own_records_.append(run);
  write_own_records();
}

// None of an import that was interrupted.
RecordBatch Session::end_mark() const {
  if (interrupted_) return {};
  RunRecord run;
  run.timestamp_ns = account_.last_ns();
  run.run_started_ns = start_ns_;
  run.of_file = !live_;
  run.ended = true;
  RecordBatch batch;
  batch.append(run);
  return batch;
}

// To the outlets; the store takes it when all else is on the disk.
void Session::write_end() {
  if (interrupted_) {
    own_records_.append(EventRecord{wall_clock_ns(), kEventImportInterrupted, "the rest of the file was not read"});
    return write_own_records();
  }
  const RecordBatch mark = end_mark();
  for (Outlet* outlet : options_.outlets) {
    if (Result<void> written = outlet->write(mark); !written) fail_with(written.error());
  }
}

// For the store alone: outlets tell their own readers of their troubles.
void Session::note_for_store(const RecordBatch& events) {
  if (store_ == nullptr || events.empty()) return;
  if (Result<void> written = store_->records().write(events); !written) fail_with(written.error());
}

// The accounts next to a step of the clock bound it.
void Session::watch_clock() {
  if (!live_) return;
  const RecordBatch step = watch_.clock_step();
  if (step.empty()) return;
  account_.count_clock_step();
  write(step);
  write_accounts();
}

void Session::note_each_second() {
  write_accounts();
  if (live_) write(watch_.links());
  note_for_store(watch_.outlet_losses());
  if (keeper_ != nullptr) note_for_store(watch_.account_failures(*keeper_));
}

// While the store is still open, so that it learns what was lost.
void Session::end_outlets() {
  for (Outlet* outlet : options_.outlets) outlet->end();
  for (Outlet* outlet : options_.outlets) (void)outlet->wait();  // the counts are asked for next
  watch_for_failures();
  note_for_store(watch_.outlet_losses());
  if (account_.lost_by_outlets() == 0) return;
  // The store's last account counts the records that were lost at the very end, too.
  std::erase_if(sinks_, [&](RecordSink* sink) {
    return std::find(options_.outlets.begin(), options_.outlets.end(), sink) != options_.outlets.end();
  });
  write_accounts();
  write_last_accounts();
}

// Whether each thread that handles packets made a round since the last time that this was so. `since`: empty at first.
bool Session::all_moved(std::vector<uint64_t>& since) const {
  std::vector<uint64_t> now;
  for (const auto& worker : workers_) now.push_back(worker->finished() ? UINT64_MAX : worker->rounds());
  if (distributor_ != nullptr) now.push_back(distributor_->finished() ? UINT64_MAX : distributor_->rounds());
  since.resize(now.size());
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] == since[i] && now[i] != UINT64_MAX) return false;
  }
  since = std::move(now);
  return true;
}

// A file's reader may wait for standard input for as long as it likes.
void Session::tell_observer(bool second) {
  if (options_.observer == nullptr) return;
  if (!recording_told_ && (!live_ || all_moved(rounds_at_start_))) {
    recording_told_ = true;
    options_.observer->recording();
  }
  if (second)
    options_.observer->each_second(account_.total(), account_.ports(), !live_ || all_moved(rounds_at_second_));
  if (options_.observer->reload_asked()) reload();
}

// A worker that is in the middle of a packet may use the networks before these: those before them are let go only when
// every worker has been between two packets since they were replaced.
void Session::reload() {
  if (!recording_told_ || !all_moved(rounds_at_reload_)) return;
  const std::optional<std::vector<IpPrefix>> hostile = options_.observer->reload();
  if (hostile) {
    filter_->replace_hostile(*hostile);
    rounds_at_reload_.clear();
    (void)all_moved(rounds_at_reload_);
    const std::string detail = counted(hostile->size(), "network", "networks");
    own_records_.append(EventRecord{wall_clock_ns(), kEventHostileReplaced, detail});
    write_own_records();
  }
  options_.observer->reloaded();
}

// Losses at the very end come too late for the store, which was their last writer.
void Session::end_other_outlets() {
  for (Outlet* outlet : options_.other_outlets) outlet->end();
  for (Outlet* outlet : options_.other_outlets) (void)outlet->wait();  // the watch asks for the counts
  (void)watch_.outlet_losses();
}

void Session::look_around() {
  looked_around_ = true;
  for (const std::string& spot : blind_spots(account_.total(), filter_->has_ingress(), live_)) log_warning("{}", spot);
}

void Session::show_progress() {
  const WorkerAccount a = account_.total();
  const PortAccount p = account_.ports();
  write_to_stderr(
      fmt::format("\r\x1b[K{}, {}, {} missed, {} dropped, {} HTTP, {}",
                  counted(a[Counter::kReceived], "packet", "packets"), format_size(a[Counter::kReceivedBytes]),
                  format_count(p[PortCounter::kMissed]), format_count(a.total(CounterGroup::kDropped)),
                  format_count(a[Counter::kHttpTransactions]), counted(a[Counter::kAlerts], "alert", "alerts")));
}

// Ends the capture when one source breaks. A recorder that went on with half of its wires would look complete. A store
// that fails does not end it: what cannot be stored is counted, inspection goes on, and finish() reports the failure.
void Session::watch_for_failures() {
  for (const auto& worker : workers_) {
    if (worker->finished() && !worker->outcome()) fail_with(worker->outcome().error());
  }
  for (const Outlet* outlet : options_.outlets) {
    if (Result<void> status = outlet->status(); !status) fail_with(status.error());
  }
}

// A file has an end. Pipes and a file that still grows are somebody else's capture, which goes on until it is told to
// stop.
bool Session::is_import() const {
  return !live_ && !options_.follow && std::ranges::none_of(options_.sources, reads_a_pipe);
}

bool Session::all_finished() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->finished(); });
}

SessionSummary Session::run() {
  started_ = Clock::now();
  start_threads();
  const std::string sources = joined(options_.sources);
  if (keeper_ != nullptr) {
    // Outlets had them from the run that was killed, as far as it came.
    if (Result<void> written = store_->records().write(killed_); !written) fail_with(written.error());
    keeper_->start();
  }
  if (live_) log_info("recording {}", sources);
  write_beginning(sources);
  write_accounts();
  Clock::time_point last_account = started_;
  for (bool finished = false; !finished;) {
    finished = all_finished();  // asked first, so that all they handed over before is written below
    if (asked_to_stop_.load(std::memory_order_relaxed)) {
      interrupted_ |= !stopping_ && !finished && is_import();
      stop_sources();
    }
    const bool wrote = write_records();
    watch_for_failures();
    watch_clock();
    const Clock::time_point now = Clock::now();
    const bool second = now - last_account >= kAccountInterval;
    tell_observer(second);
    if (second) {
      last_account = now;
      note_each_second();
      if (options_.progress) show_progress();
      if (live_ && !looked_around_ && now - started_ >= kFirstLook) look_around();
    }
    if (!wrote && !finished) std::this_thread::sleep_for(kRoundPause);
  }
  finish();
  return summary();
}

void Session::finish() {
  if (!stopping_ && options_.observer != nullptr) options_.observer->stopping();
  for (const auto& worker : workers_) worker->join();
  if (distributor_thread_.joinable()) distributor_thread_.join();
  if (options_.progress) write_to_stderr("\r\x1b[K");
  if (!distributor_outcome_) fail_with(distributor_outcome_.error());
  if (store_ != nullptr) {
    // The last account goes into the store, so it is taken once all packets are written.
    if (Result<void> settled = store_->settle(); !settled) fail_with(settled.error());
  }
  for (const auto& worker : workers_) worker->settle();
  write_accounts();
  write_last_accounts();
  write_end();
  end_outlets();
  if (store_ != nullptr) {
    const Result<void> closed = store_->close(end_mark());
    for (const auto& worker : workers_) worker->settle();  // a sync that failed in closing
    keeper_->end(closed.has_value());
    closed ? forget_account() : fail_with(closed.error());
  }
  end_other_outlets();
}

SessionSummary Session::summary() const {
  SessionSummary s;
  s.run_seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  s.workers = account_.each_worker();
  s.total = account_.total();
  s.ports = account_.ports();
  s.live = live_;
  s.interrupted = interrupted_;
  s.outlets = watch_.outlet_counts();
  s.balances = s.ports.balances() && s.total.balances() && s.total[Counter::kInFlight] == 0 &&
               s.ports[PortCounter::kReceived] == s.total[Counter::kReceived];
  s.blind_spots = blind_spots(s.total, filter_->has_ingress(), live_);
  s.outcome = outcome_;
  return s;
}

}  // namespace

bool SessionSummary::complete() const {
  return outcome.has_value() && !interrupted && ports[PortCounter::kMissed] == 0 &&
         total.total(CounterGroup::kDropped) == 0;
}

Result<SessionSummary> run_session(const SessionOptions& options, const std::atomic<bool>& stop) {
  Session session(options, stop);
  if (Result<void> started = session.start(); !started) return pass_on(started);
  return session.run();
}

}  // namespace gatetape
