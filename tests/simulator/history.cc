#include "tests/simulator/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "common/log.h"
#include "storage/format/sealing.h"
#include "tests/simulator/checks.h"
#include "tests/simulator/sensor.h"
#include "tests/simulator/trouble.h"

namespace gatetape::simulator {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr uint64_t kIndexBytes = 2048;  // a small segment has less

// Settings hold for a whole history.
struct Settings {
  explicit Settings(Random& random);

  unsigned sensors = 1, workers = 1, steps = 0;
  uint64_t ring_bytes = 0, segment_bytes = 0;
  bool references = false, pinned = false;
  uint64_t capacity = 0;     // 0: no limit
  uint64_t fail_one_in = 0;  // while the disk is ill; 0: it never is
  bool crashes = false, misses = false, tampering = false;
  bool failed_syncs_lose = false, any_survivors = false;
  unsigned checkpoint_interval_s = 60;
};

Settings::Settings(Random& random) {
  sensors = random.one_in(8) ? 2 : 1;
  workers = random.one_in(4) ? 2 : 1;
  steps = static_cast<unsigned>(random.between(40, 200));
  segment_bytes = random.between(2, 12) << 10;
  // A small one holds each stream's open segment at least twice.
  ring_bytes = random.one_in(2) ? segment_bytes * workers * random.between(6, 16) : 16 << 20;
  references = random.one_in(8);
  pinned = random.one_in(4) && ring_bytes == 16 << 20;
  if (random.one_in(6)) {
    capacity = random.between(60, 200) << 10;
    ring_bytes = std::min(ring_bytes, capacity);
  }
  if (random.one_in(2)) fail_one_in = random.one_in(3) ? 3 : random.between(10, 200);
  crashes = !random.one_in(8);
  misses = random.one_in(4);
  tampering = random.one_in(10);
  failed_syncs_lose = random.one_in(2);
  any_survivors = random.one_in(3);
  checkpoint_interval_s = random.one_in(2) ? 60 : 5;
}

bool ends_with_trailer(std::span<const uint8_t> bytes) {
  if (bytes.size() < Trailer::kBytes) return false;
  Trailer trailer;
  return Trailer::parse(bytes.last(Trailer::kBytes), trailer) && trailer.file_bytes == bytes.size();
}

std::shared_ptr<const SigningKey> sensor_key() {
  static const auto key = std::make_shared<const SigningKey>(SigningKey::generate());
  return key;
}

class History {
 public:
  History(uint64_t seed, bool trace, HistoryFacts& facts);
  ~History();

  std::string run();

 private:
  // The history's memory of a sensor's present run and of its store.
  struct Watched {
    std::unique_ptr<Sensor> sensor;
    std::string directory;
    uint64_t synced = 0;                   // packets of this run that a sync made safe
    uint64_t sync_failures_before = 0;     // when this run began
    uint64_t removed_before = 0;           // segments removed in all, when this run began
    int64_t first_started_ns = INT64_MAX;  // the first run of which something is sure to be there
    std::optional<int64_t> ended_ns;       // time of the last proper end, when no run began after it
    uint64_t lost_on_the_way = 0;          // packets in memory at kills
    bool ended_well = false;               // nothing failed in that end
  };

  void say(const std::string& what) const;
  void broken(std::string law);
  bool is_broken() const { return !broken_.empty(); }
  void pass_time(int64_t ns);
  void step();
  void step_running(Watched& watched);
  void step_stopped(Watched& watched);
  void change_disk();
  void start(Watched& watched);
  void stop(Watched& watched);
  void crash(bool power);
  int64_t first_time(const Contents& contents, const std::string& directory) const;
  void note_acknowledged(Watched& watched, const Contents& contents, uint64_t acknowledged, const char* what);
  void tamper(Watched& watched);
  void read(bool meanwhile);
  Question question(bool whole);
  std::vector<std::string> directories_of(const Question& question) const;
  void check_always();
  void check_contents();
  void check_soundness(Watched& watched, bool at_end);
  void finish();
  std::vector<std::string> directories() const;
  bool excused(const std::string& path) const { return trouble_.removed().contains(path) || tampered_.contains(path); }

  const bool trace_;
  HistoryFacts& facts_;
  Random random_;
  const Settings settings_;
  test::TurnedClock clock_;
  test::SimulatedFiles files_;
  Trouble trouble_;
  Wire wire_;
  std::vector<Watched> sensors_;
  Contents synced_, written_;  // both must be there from now on: even after a power cut; and as long as there is none
  std::set<std::string> tampered_;
  uint64_t runs_ = 0;
  bool ledger_waits_ = false;  // entries that found no room are in memory
  bool ledger_lost_ = false;   // they were there at a crash
  bool ill_ = false;           // the disk, now
  bool quiet_ = true;          // nothing happened so far that may cost a packet or the statement
  std::string broken_;
};

History::History(uint64_t seed, bool trace, HistoryFacts& facts)
    : trace_(trace),
      facts_(facts),
      random_(seed),
      settings_(random_),
      trouble_(Random(random_.next()), files_, [this](const std::string& what) { say(what); }),
      wire_(Random(random_.next()), settings_.pinned) {
  set_log_sink([this](LogLevel, std::string_view message) {
    say("  says: " + std::string(message));
    if (trouble_.dead()) return;
    if (message.starts_with("the ledger: ")) ledger_waits_ = true;
    if (message == "the ledger is written again") ledger_waits_ = false;
  });
  say(fmt::format(
      "{} sensor(s), {} worker(s), {} steps, ring {}, segments {}, capacity {}, failures 1 in {}, {}{}{}{}{}{}",
      settings_.sensors, settings_.workers, settings_.steps, settings_.ring_bytes, settings_.segment_bytes,
      settings_.capacity, settings_.fail_one_in, settings_.crashes ? "crashes " : "",
      settings_.references ? "references " : "", settings_.pinned ? "pinned " : "",
      settings_.tampering ? "tampering " : "", settings_.failed_syncs_lose ? "failed syncs lose " : "",
      settings_.any_survivors ? "any survivors" : ""));
  files_.set_final(ends_with_trailer);
  if (settings_.failed_syncs_lose) files_.lose_what_fails_to_sync();
  for (unsigned i = 0; i < settings_.sensors; i++) {
    Watched watched;
    watched.directory = i == 0 ? "/store" : "/other";
    Sensor::Options options;
    options.number = i;
    options.workers = settings_.workers;
    options.directories = {watched.directory};
    options.ring_bytes = settings_.ring_bytes;
    options.segment_bytes = settings_.segment_bytes;
    options.references = settings_.references;
    options.checkpoint_interval_s = settings_.checkpoint_interval_s;
    watched.sensor = std::make_unique<Sensor>(options, files_, clock_, wire_, sensor_key());
    trouble_.add_bounds({watched.directory, settings_.ring_bytes});
    sensors_.push_back(std::move(watched));
  }
}

History::~History() {
  trouble_.die();  // open stores close, and change nothing
  sensors_.clear();
  set_log_sink({});
}

void History::say(const std::string& what) const {
  if (trace_)
    fmt::print("{:9.3f} {}\n", static_cast<double>(const_cast<History*>(this)->clock_.monotonic_ns()) / 1e9, what);
}

void History::broken(std::string law) {
  if (law.empty() || is_broken()) return;
  say("BROKEN: " + law);
  broken_ = std::move(law);
}

std::vector<std::string> History::directories() const {
  std::vector<std::string> all;
  for (const Watched& watched : sensors_) all.push_back(watched.directory);
  return all;
}

// Traffic goes on where nobody records it.
void History::pass_time(int64_t ns) {
  for (int64_t passed = 0; passed < ns;) {
    const auto pause = static_cast<int64_t>(random_.between(100, 900)) * kMillisecond;
    clock_.turn(pause);
    passed += pause;
    for (Watched& watched : sensors_) {
      if (!watched.sensor->running())
        (void)wire_.carry(watched.sensor->options().number, clock_.wall_ns(), std::nullopt);
    }
    clock_.turn(1);
  }
}

std::vector<std::string> History::directories_of(const Question& question) const {
  std::vector<std::string> all;
  for (const unsigned number : question.sensors) all.push_back(sensors_[number].directory);
  return all;
}

std::string History::run() {
  for (unsigned i = 0; i < settings_.steps && !is_broken(); i++) step();
  if (!is_broken()) finish();
  facts_.packets += wire_.size();
  facts_.runs += runs_;
  facts_.failures += trouble_.failures();
  facts_.evictions += trouble_.removed().size();
  return broken_;
}

void History::step() {
  if (settings_.fail_one_in != 0 && random_.one_in(20)) change_disk();
  if (settings_.crashes && random_.one_in(40)) trouble_.die_in(random_.below(60));
  Watched& watched = sensors_[random_.below(sensors_.size())];
  watched.sensor->running() ? step_running(watched) : step_stopped(watched);
  if (trouble_.dead()) crash(random_.one_in(2));
  check_always();
}

void History::change_disk() {
  ill_ = !ill_;
  quiet_ = false;
  if (!ill_) {
    say("the disk is well");
    trouble_.fail_one_in(0);
    files_.set_capacity(settings_.capacity != 0 ? settings_.capacity : UINT64_MAX);
    return;
  }
  using Operation = test::SimulatedFiles::Operation;
  constexpr Operation kOften[] = {Operation::kRead,   Operation::kWrite,  Operation::kSync,
                                  Operation::kRename, Operation::kRemove, Operation::kSyncDirectory};
  if (random_.one_in(6)) {
    say("the disk is full");
    files_.set_capacity(files_.used() + random_.below(4096));
    return;
  }
  if (random_.one_in(6)) {
    say("nothing can be removed from the disk");
    trouble_.only(Operation::kRemove);
    trouble_.fail_one_in(1);
    return;
  }
  trouble_.only(random_.one_in(2) ? std::optional(kOften[random_.below(std::size(kOften))]) : std::nullopt);
  trouble_.fail_one_in(settings_.fail_one_in);
  say("the disk is ill");
}

void History::step_running(Watched& watched) {
  Sensor& sensor = *watched.sensor;
  const auto apart_ns = static_cast<int64_t>(random_.between(1, 2000)) * 1000;
  switch (random_.below(32)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
      sensor.receive(static_cast<unsigned>(random_.between(1, 8)), apart_ns, random_);
      break;
    case 9:
      if (!settings_.misses) break;
      quiet_ = false;
      sensor.miss(static_cast<unsigned>(random_.between(1, 3)), apart_ns);
      break;
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
      pass_time(static_cast<int64_t>(random_.between(10, 500)) * kMillisecond);
      sensor.tick();
      break;
    case 17:
    case 18:
    case 19:
    case 20:
    case 21:
      (void)sensor.write();
      break;
    case 22:
    case 23:
    case 24:
      (void)sensor.seal();
      break;
    case 25:
    case 26: {
      const uint64_t stored = sensor.counts().stored, failures = trouble_.sync_failures();
      if (sensor.sync() && failures == trouble_.sync_failures() && !trouble_.dead()) watched.synced = stored;
      break;
    }
    case 27:
      read(random_.one_in(2));
      break;
    case 28:
      if (random_.one_in(3)) stop(watched);
      break;
    case 29:
      if (settings_.crashes && random_.one_in(3)) trouble_.die();
      break;
    case 30:
      if (settings_.tampering && random_.one_in(3)) tamper(watched);
      break;
    default:  // a stall: nothing is done for a while
      if (!random_.one_in(3)) break;
      quiet_ = false;
      pass_time(static_cast<int64_t>(random_.between(1, 8)) * kNanosecondsPerSecond);
      break;
  }
}

void History::step_stopped(Watched& watched) {
  switch (random_.below(6)) {
    case 0:
      pass_time(static_cast<int64_t>(random_.between(1, 20'000)) * kMillisecond);
      break;
    case 1:
      read(false);
      break;
    case 2:
      if (settings_.tampering && random_.one_in(2)) tamper(watched);
      break;
    default:
      start(watched);
      break;
  }
}

void History::start(Watched& watched) {
  if (watched.sensor->started_once()) quiet_ = false;  // an outage came before it
  clock_.turn(kMillisecond);
  say(fmt::format("{}: run {} starts", watched.directory, runs_));
  watched.ended_ns.reset();
  watched.synced = 0;
  watched.sync_failures_before = trouble_.sync_failures();
  watched.removed_before = trouble_.removed().size();
  const auto started = watched.sensor->start(runs_++, random_.next());
  if (!started) say("  it does not: " + started.error().message);
}

void History::stop(Watched& watched) {
  say(fmt::format("{}: a proper end", watched.directory));
  Sensor& sensor = *watched.sensor;
  const uint64_t failures = trouble_.failures();
  const auto stopped = sensor.stop();
  if (trouble_.dead()) return;
  const Sensor::Counts counts = sensor.counts();
  say(fmt::format("  {} received, {} stored, {} dropped{}", counts.received, counts.stored, counts.dropped,
                  stopped ? "" : ": " + stopped.error().message));
  if (counts.received != counts.stored + counts.dropped) broken("after its end the account does not balance");
  watched.ended_ns = clock_.wall_ns();
  watched.ended_well = stopped && failures == trouble_.failures();
  if (!stopped) quiet_ = false;
  if (counts.dropped != 0) quiet_ = false;
  trouble_.pause(true);
  const auto synced = files_.synced_copy();
  Contents contents;
  broken(read_contents(*synced, {watched.directory}, wire_, contents));
  if (stopped) note_acknowledged(watched, contents, counts.stored, "a proper end without an error");
  for (auto& [path, numbers] : contents) synced_[path] = written_[path] = std::move(numbers);
  trouble_.pause(false);
}

int64_t History::first_time(const Contents& contents, const std::string& directory) const {
  int64_t first_ns = INT64_MAX;
  for (const auto& [path, numbers] : contents) {
    if (parent_directory(path) == directory && !numbers.empty())
      first_ns = std::min(first_ns, wire_[numbers.front()].timestamp_ns);
  }
  return first_ns;
}

// As many packets of the run as were acknowledged must be in what is safe.
void History::note_acknowledged(Watched& watched, const Contents& contents, uint64_t acknowledged, const char* what) {
  uint64_t there = 0;
  for (const auto& [path, numbers] : contents) {
    if (parent_directory(path) != watched.directory) continue;
    for (const uint64_t number : numbers) there += wire_[number].run == watched.sensor->run();
  }
  watched.first_started_ns = std::min(watched.first_started_ns, first_time(contents, watched.directory));
  if (trouble_.removed().size() != watched.removed_before || !tampered_.empty()) return;
  if (there < acknowledged) {
    broken(fmt::format("{}: {} packets of run {} are safe after {}, but {} were acknowledged", watched.directory, there,
                       watched.sensor->run(), what, acknowledged));
  }
}

void History::crash(bool power) {
  say(power ? "the power is cut" : "the sensors are killed");
  quiet_ = false;
  ledger_lost_ |= std::exchange(ledger_waits_, false);
  ++(power ? facts_.power_cuts : facts_.kills);
  const auto still_open = std::ranges::count_if(sensors_, [](const Watched& w) { return w.sensor->running(); });
  say(fmt::format("  {} were running", still_open));
  trouble_.pause(true);
  const auto synced = power ? files_.synced_copy() : nullptr;
  Contents contents;
  broken(read_contents(power ? *synced : files_, directories(), wire_, contents));
  for (Watched& watched : sensors_) {
    if (!watched.sensor->running()) continue;
    // A sync that fails is said; what it was for is not acknowledged any more.
    const bool lost_by_sync = trouble_.sync_failures() != watched.sync_failures_before;
    // Those that it counted as dropped after the machine had died were on their way then.
    watched.lost_on_the_way += watched.sensor->counts().received - watched.sensor->counts().stored;
    const uint64_t acknowledged = !power ? watched.sensor->counts().stored : lost_by_sync ? 0 : watched.synced;
    note_acknowledged(watched, contents, acknowledged, power ? "a sync" : "writing");
  }
  broken(compare_contents(power ? synced_ : written_, contents,
                          [this](const std::string& path) { return excused(path); }));
  if (power) {
    synced_ = contents;
    for (Watched& watched : sensors_) watched.first_started_ns = first_time(contents, watched.directory);
  }
  written_ = std::move(contents);
  trouble_.pause(false);
  trouble_.die();
  for (Watched& watched : sensors_) {
    if (watched.sensor->running()) watched.ended_ns.reset();
    watched.sensor->die();
  }
  if (power) {
    files_.cut_power(random_.next(), settings_.any_survivors ? test::SimulatedFiles::Survivors::kAnything
                                                             : test::SimulatedFiles::Survivors::kBeginning);
  }
  trouble_.revive();
  if (random_.one_in(2)) check_contents();
  if (random_.one_in(4)) check_soundness(sensors_.front(), false);
}

void History::tamper(Watched& watched) {
  std::vector<std::pair<std::string, uint64_t>> segments;
  files_.for_each_file(watched.directory, [&](const std::string& path, uint64_t bytes) {
    if (path.ends_with(".gtp")) segments.emplace_back(path, bytes);
  });
  if (segments.empty()) return;
  quiet_ = false;
  const auto& [path, bytes] = segments[random_.below(segments.size())];
  tampered_.insert(path);
  if (random_.one_in(3)) {
    say(fmt::format("somebody removes {}", path));
    (void)files_.take_away(path);
  } else if (bytes != 0) {
    const uint64_t at = random_.below(bytes);
    say(fmt::format("a bit of {} flips at {}", path, at));
    (void)files_.flip(path, at, static_cast<uint8_t>(1 << random_.below(8)));
  }
}

Question History::question(bool whole) {
  Question question;
  const int64_t now_ns = clock_.wall_ns(), begin_ns = test::TurnedClock().wall_ns();
  question.wire_size = wire_.size();
  question.wire_until_ns = now_ns;
  // One sensor's store: where a range belongs to several, the statement vouches for those that gave account.
  const Watched& first = sensors_[whole ? 0 : random_.below(sensors_.size())];
  question.sensors = {first.sensor->options().number};
  question.on_the_way = first.lost_on_the_way + (first.sensor->running() ? first.sensor->counts().pending : 0);
  const auto some_time = [&](int64_t since) {
    return since + static_cast<int64_t>(random_.below(static_cast<uint64_t>(now_ns - since) + 1));
  };
  const bool open_ended = first.ended_ns.has_value();
  if (first.first_started_ns <= now_ns && (whole || random_.one_in(3))) {
    question.wire_since_ns = first.first_started_ns;
  } else {
    question.range.since_ns = question.wire_since_ns = some_time(begin_ns);
  }
  if (open_ended && (whole || random_.one_in(3))) {
    question.wire_until_ns = *first.ended_ns;
  } else {
    question.range.until_ns = some_time(question.range.since_ns.value_or(begin_ns));
    question.wire_until_ns = *question.range.until_ns - 1;
  }
  return question;
}

void History::read(bool meanwhile) {
  const Question asked = question(false);
  const auto go_on = [&] {
    if (!meanwhile || !random_.one_in(3)) return;
    for (Watched& watched : sensors_) {
      if (!watched.sensor->running() || trouble_.dead()) continue;
      if (random_.one_in(3)) watched.sensor->receive(2, 1000, random_);
      if (random_.one_in(3)) (void)watched.sensor->write();
      if (random_.one_in(3)) (void)watched.sensor->seal();
    }
  };
  Answer answer;
  const std::string lie = check_statement(files_, directories_of(asked), wire_, asked, go_on, answer);
  facts_.extracts++;
  facts_.complete += answer.complete;
  const auto seconds = [](int64_t ns) { return static_cast<double>(ns - test::TurnedClock().wall_ns()) / 1e9; };
  say(fmt::format("an extract of {} from {:.3f} to {:.3f}: {}{}", directories_of(asked).front(),
                  seconds(asked.wire_since_ns), seconds(asked.wire_until_ns),
                  answer.failed ? "fails" : answer.completeness, answer.reasons.empty() ? "" : ": " + answer.reasons));
  broken(lie);
}

void History::check_always() {
  broken(trouble_.violation());
  if (const auto changed = files_.changed_final_files(); !changed.empty()) {
    broken(changed.front() + " was sealed, and written to again");
  }
  for (const Watched& watched : sensors_) {
    if (watched.sensor->running()) broken(watched.sensor->imbalance());
    // A seal adds an index, which is counted when it is there; all open segments may be sealed at once.
    const uint64_t held = segment_bytes(files_, watched.directory);
    const uint64_t slack =
        2 * (trouble_.largest_write() + settings_.segment_bytes) + kIndexBytes * 7 * settings_.workers;
    if (held > settings_.ring_bytes + slack) {
      broken(fmt::format("{} holds {} bytes of segments, and its ring has {}", watched.directory, held,
                         settings_.ring_bytes));
    }
  }
}

void History::check_contents() {
  trouble_.pause(true);
  Contents contents;
  broken(read_contents(files_, directories(), wire_, contents));
  broken(compare_contents(written_, contents, [this](const std::string& path) { return excused(path); }));
  trouble_.pause(false);
}

// An untouched store is sound: after a proper end to its last entry.
void History::check_soundness(Watched& watched, bool at_end) {
  if (watched.sensor->notes().empty() || !tampered_.empty() || trouble_.ledger_failures() != 0 || ledger_lost_) return;
  if (settings_.failed_syncs_lose && trouble_.sync_failures() != 0) return;
  if (!files_.status(watched.directory + "/ledger")) return;  // it died before there was one
  trouble_.pause(true);
  std::vector<std::string> notes;
  const auto& all = watched.sensor->notes();
  if (!all.empty()) notes = {all[random_.below(all.size())], all.back()};
  std::string why;
  const Soundness found = verify(files_, {watched.directory}, *sensor_key(), notes, why);
  if (found == Soundness::kNotSound) broken("verify: " + why);
  if (found == Soundness::kUnsignedTail && at_end) broken("verify, after a proper end: " + why);
  trouble_.pause(false);
}

// The disk is well again; every sensor starts once more and ends properly.
void History::finish() {
  if (ill_) change_disk();
  trouble_.revive();
  files_.set_capacity(UINT64_MAX);
  for (Watched& watched : sensors_) {
    if (watched.sensor->running() && random_.one_in(2)) stop(watched);
  }
  if (std::ranges::any_of(sensors_, [](const Watched& w) { return w.sensor->running(); }) && !quiet_) {
    trouble_.die();
    crash(random_.one_in(2));
  }
  for (Watched& watched : sensors_) {
    if (watched.sensor->running()) stop(watched);
    if (is_broken()) return;
    if (!quiet_) {
      start(watched);
      if (!watched.sensor->running()) return broken("a sensor does not start on a disk that is well");
      watched.sensor->receive(3, 1000, random_);
      stop(watched);
      if (!watched.ended_well) broken("a run on a disk that is well does not end well");
    }
  }
  check_contents();
  for (Watched& watched : sensors_) check_soundness(watched, true);
  Answer answer;
  trouble_.pause(true);
  broken(check_statement(
      files_, {sensors_.front().directory}, wire_, question(true), [] {}, answer));
  say(fmt::format("at the end: {}: {}", answer.completeness, answer.reasons));
  if (answer.failed) broken("an extract fails on a disk that is well");
  if (quiet_ && sensors_.size() == 1 && trouble_.removed().empty() && wire_.size() != 0 && !answer.complete &&
      sensors_.front().sensor->counts().received != 0) {
    broken("nothing ever went wrong, and an extract is not complete: " + answer.reasons);
  }
  check_always();
}

}  // namespace

std::string run_history(uint64_t seed, bool trace, HistoryFacts& facts) {
  History history(seed, trace, facts);
  return history.run();
}

}  // namespace gatetape::simulator
