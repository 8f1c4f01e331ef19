#include "export/outlet.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <thread>

#include "export/eve_file.h"

using namespace gatetape;
using namespace std::chrono_literals;

namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gatetape-outlet-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A batch of events named n, n + 1, ...; each is a line of its own in EVE.
RecordBatch events(int first, int count, size_t detail_bytes = 40) {
  RecordBatch batch;
  const std::string detail(detail_bytes, 'x');
  for (int i = first; i < first + count; ++i) {
    const std::string name = fmt::format("event.{}", i);
    batch.append(EventRecord{1'000'000'000, name, detail});
  }
  return batch;
}

// The numbers of the events in EVE text, in its order; "outlet.lost" events are left out. Every line has to be whole.
std::vector<int> numbers(const std::string& text) {
  std::vector<int> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    REQUIRE(line.starts_with("{\"timestamp\""));
    REQUIRE(line.ends_with("}}"));
    if (const size_t at = line.find("\"event."); at != std::string::npos)
      found.push_back(std::stoi(line.substr(at + 7)));
  }
  return found;
}

std::vector<int> counting(int first, int end) {
  std::vector<int> all;
  for (int i = first; i < end; ++i) all.push_back(i);
  return all;
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Outlet eve(const std::string& path, OutletOptions options = {}) {
  return Outlet("eve", std::make_unique<EveFile>(path), options);
}

void wait_until(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
  REQUIRE(condition());
}

struct Pipe {
  explicit Pipe(const std::string& its_path) : path(its_path) { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }
  int open_to_read() const { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }
  std::string path;
};

std::string read_some(int fd, size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  const ssize_t n = ::read(fd, bytes.data(), bytes.size());
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

std::string read_all(int fd) {
  std::string all;
  for (std::string part = read_some(fd, 65536); !part.empty(); part = read_some(fd, 65536)) all += part;
  return all;
}

void require_balance(const OutletCounts& counts) {
  REQUIRE(counts.offered == counts.written + counts.lost_total());
}

uint64_t lost(const OutletCounts& counts, OutletLoss cause) {
  return counts.lost[static_cast<size_t>(cause)];
}

// A target whose device hangs in take() until it is let go.
class HungTarget : public OutletTarget {
 public:
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false, entered = false, left = false;
  };
  explicit HungTarget(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  const std::string& path() const override { return path_; }
  Result<void> open() override { return {}; }
  void render(std::string& out, const Record&) override { out += "line\n"; }
  Taken take(std::string_view text) override {
    std::unique_lock lock(gate_->mutex);
    gate_->entered = true;
    gate_->changed.notify_all();
    gate_->changed.wait(lock, [&] { return gate_->open; });
    gate_->left = true;
    gate_->changed.notify_all();
    return {text.size(), 0};
  }
  Reopened reopen(bool) override { return Reopened::kSame; }

 private:
  std::string path_ = "a device";
  std::shared_ptr<Gate> gate_;
};

}  // namespace

TEST_CASE("a file gets every record, and a second run is appended") {
  const Folder directory;
  const std::string path = directory.path() + "/eve.json";
  for (int run = 0; run < 2; ++run) {
    Outlet outlet = eve(path);
    REQUIRE(outlet.start({}));
    for (int i = 0; i < 10; ++i) REQUIRE(outlet.write(events(run * 1000 + i * 100, 100)));
    outlet.end();
    const OutletCounts counts = outlet.wait();
    CHECK(counts.written == 1000);
    CHECK(counts.lost_total() == 0);
  }
  CHECK(numbers(contents(path)) == counting(0, 2000));
}

TEST_CASE("a path that cannot be right fails at the start") {
  const Folder directory;
  CHECK_FALSE(eve(directory.path() + "/missing/eve.json").start({}));
  CHECK_FALSE(eve(directory.path()).start({}));
}

TEST_CASE("a slow reader of a pipe gets every record of a source that can wait") {
  const Folder directory;
  const Pipe pipe(directory.path() + "/eve");
  const int reader = pipe.open_to_read();
  REQUIRE(reader >= 0);
  Outlet outlet = eve(pipe.path, {.queue_bytes_max = 20'000});
  REQUIRE(outlet.start({.may_wait = true}));
  std::string got;
  std::thread slow([&] {
    while (std::count(got.begin(), got.end(), '\n') < 3000) {
      got += read_some(reader, 5000);
      std::this_thread::sleep_for(1ms);  // slowness is the subject
    }
  });
  for (int i = 0; i < 300; ++i) REQUIRE(outlet.write(events(i * 10, 10)));
  outlet.end();
  const OutletCounts counts = outlet.wait();
  slow.join();
  ::close(reader);
  CHECK(numbers(got) == counting(0, 3000));
  CHECK(counts.lost_total() == 0);
  require_balance(counts);
}

TEST_CASE("a pipe that nobody reads costs counted records, and holds up neither records nor the end") {
  const Folder directory;
  const Pipe pipe(directory.path() + "/eve");
  const int reader = pipe.open_to_read();
  const bool may_wait = GENERATE(false, true);
  std::atomic<bool> stop{false};
  Outlet outlet = eve(pipe.path, {.queue_bytes_max = 20'000, .patience = 100ms, .patience_at_stop = 100ms});
  REQUIRE(outlet.start({.may_wait = may_wait, .stop = &stop}));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 300; ++i) REQUIRE(outlet.write(events(i * 10, 10)));
  stop = GENERATE(false, true);
  outlet.end();
  const OutletCounts counts = outlet.wait();
  CHECK(std::chrono::steady_clock::now() - began < 2s);
  require_balance(counts);
  CHECK(lost(counts, OutletLoss::kStalled) > 1000);
  const std::string left = read_all(reader);
  CHECK(std::count(left.begin(), left.end(), '\n') == static_cast<int64_t>(counts.written));
  numbers(left);  // whole lines
  ::close(reader);
}

TEST_CASE("the next reader of a pipe gets what the one before it did not take") {
  const Folder directory;
  const Pipe pipe(directory.path() + "/eve");
  Outlet outlet = eve(pipe.path);
  REQUIRE(outlet.start({.may_wait = true}));
  REQUIRE(outlet.write(events(0, 1000)));  // before there is any reader
  std::string got;
  int reader = pipe.open_to_read();
  wait_until([&] { return outlet.counts().written > 100; });
  while (std::count(got.begin(), got.end(), '\n') < 50) got += read_some(reader, 1);
  ::close(reader);
  REQUIRE(outlet.write(events(1000, 1000)));
  reader = pipe.open_to_read();
  wait_until([&] {
    got += read_some(reader, 65536);
    return std::count(got.begin(), got.end(), '\n') >= 2000;
  });
  outlet.end();
  const OutletCounts counts = outlet.wait();
  ::close(reader);
  CHECK(numbers(got) == counting(0, 2000));
  CHECK(counts.lost_total() == 0);
}

TEST_CASE("records that lie in a pipe without a reader at the end are lost") {
  const Folder directory;
  const Pipe pipe(directory.path() + "/eve");
  int reader = pipe.open_to_read();
  Outlet outlet = eve(pipe.path, {.patience = 100ms});
  REQUIRE(outlet.start({.may_wait = true}));
  REQUIRE(outlet.write(events(0, 1000)));
  std::string got;
  while (std::count(got.begin(), got.end(), '\n') < 50) got += read_some(reader, 1);
  ::close(reader);
  outlet.end();
  const OutletCounts counts = outlet.wait();
  CHECK(counts.written == 50);
  CHECK(lost(counts, OutletLoss::kNoReader) == 950);
}

TEST_CASE("a line that does not fit is taken out again, and records wait for room") {
  const Folder directory;
  const std::string path = directory.path() + "/eve.json";
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  Outlet outlet = eve(path);
  REQUIRE(outlet.start({}));
  rlimit small = before;
  small.rlim_cur = 10'001;  // within a line
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  REQUIRE(outlet.write(events(0, 100)));
  wait_until([&] { return outlet.counts().troubles != 0; });
  const std::string cut = contents(path);
  CHECK(cut.size() > 9'000);
  CHECK(numbers(cut) == counting(0, static_cast<int>(std::count(cut.begin(), cut.end(), '\n'))));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  outlet.end();
  const OutletCounts counts = outlet.wait();
  std::signal(SIGXFSZ, previous);
  CHECK(counts.lost_total() == 0);
  CHECK(counts.troubles == 1);
  CHECK(numbers(contents(path)) == counting(0, 100));
}

TEST_CASE("a full device costs what does not fit into the queue, and the outlet says where") {
  Outlet outlet = eve("/dev/full", {.queue_bytes_max = 10'000});
  REQUIRE(outlet.start({.may_wait = true}));
  for (int i = 0; i < 100; ++i) REQUIRE(outlet.write(events(i * 10, 10)));
  outlet.end();
  const OutletCounts counts = outlet.wait();
  CHECK(counts.written == 0);
  CHECK(lost(counts, OutletLoss::kNoSpace) == counts.offered);
  CHECK(counts.offered >= 1000);
}

TEST_CASE("where records were lost, an event stands in their place") {
  const Folder directory;
  const Pipe pipe(directory.path() + "/eve");
  const int reader = pipe.open_to_read();
  Outlet outlet = eve(pipe.path, {.queue_bytes_max = 20'000});
  REQUIRE(outlet.start({.may_wait = false}));
  for (int i = 0; i < 300; ++i) REQUIRE(outlet.write(events(i * 10, 10)));
  std::string got;
  wait_until([&] {
    got += read_some(reader, 65536);
    REQUIRE(outlet.write(events(3000, 1)));
    return got.find("outlet.lost") != std::string::npos;
  });
  CHECK(got.find("records lost") != std::string::npos);
  outlet.end();
  require_balance(outlet.wait());
  ::close(reader);
}

TEST_CASE("rotation loses no record and doubles none") {
  const Folder directory;
  const std::string path = directory.path() + "/eve.json";
  std::atomic<uint32_t> hangups{0};
  Outlet outlet = eve(path);
  REQUIRE(outlet.start({.may_wait = true, .reopen_count = &hangups}));
  std::string all;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 10; ++i) REQUIRE(outlet.write(events(round * 1000 + i * 100, 100)));
    std::filesystem::rename(path, fmt::format("{}.{}", path, round));
    ++hangups;
    wait_until([&] { return std::filesystem::exists(path); });
    all += contents(fmt::format("{}.{}", path, round));
  }
  outlet.end();
  CHECK(outlet.wait().lost_total() == 0);
  CHECK(numbers(all + contents(path)) == counting(0, 5000));
}

TEST_CASE("where the new file cannot be made, the old one is written to until it can") {
  const Folder directory;
  const std::string place = directory.path() + "/log";
  std::filesystem::create_directory(place);
  std::atomic<uint32_t> hangups{0};
  Outlet outlet = eve(place + "/eve.json");
  REQUIRE(outlet.start({.reopen_count = &hangups}));
  REQUIRE(outlet.write(events(0, 10)));
  wait_until([&] { return outlet.counts().written == 10; });
  std::filesystem::rename(place, directory.path() + "/gone");
  ++hangups;
  REQUIRE(outlet.write(events(10, 10)));
  wait_until([&] { return outlet.counts().written == 20; });
  std::filesystem::create_directory(place);
  wait_until([&] { return std::filesystem::exists(place + "/eve.json"); });
  REQUIRE(outlet.write(events(20, 10)));
  outlet.end();
  CHECK(outlet.wait().lost_total() == 0);
  CHECK(numbers(contents(directory.path() + "/gone/eve.json")) == counting(0, 20));
  CHECK(numbers(contents(place + "/eve.json")) == counting(20, 30));
}

TEST_CASE("a half line that was there before is ended first") {
  const Folder directory;
  const std::string path = directory.path() + "/eve.json";
  std::ofstream(path) << "{\"half";
  Outlet outlet = eve(path);
  REQUIRE(outlet.start({}));
  REQUIRE(outlet.write(events(0, 1)));
  outlet.end();
  CHECK(outlet.wait().written == 1);
  CHECK(contents(path).starts_with("{\"half\n{\"timestamp\""));
}

TEST_CASE("a device that hangs is left behind") {
  auto gate = std::make_shared<HungTarget::Gate>();
  {
    Outlet outlet("log", std::make_unique<HungTarget>(gate), {.patience = 50ms});
    REQUIRE(outlet.start({.may_wait = true}));
    REQUIRE(outlet.write(events(0, 10)));
    {
      std::unique_lock lock(gate->mutex);
      gate->changed.wait(lock, [&] { return gate->entered; });
    }
    outlet.end();
    const OutletCounts counts = outlet.wait();
    CHECK(counts.written == 0);
    CHECK(lost(counts, OutletLoss::kStalled) == 10);
  }
  std::unique_lock lock(gate->mutex);
  gate->open = true;
  gate->changed.notify_all();
  gate->changed.wait(lock, [&] { return gate->left; });  // it outlived the outlet
}

TEST_CASE("a required outlet fails the run, and waits for its reader") {
  SECTION("full") {
    Outlet outlet = eve("/dev/full", {.required = true});
    REQUIRE(outlet.start({.may_wait = true}));
    REQUIRE(outlet.write(events(0, 10)));
    wait_until([&] { return !outlet.status(); });
    CHECK(outlet.status().error().message.find("/dev/full") != std::string::npos);
    outlet.end();
    CHECK(outlet.wait().lost_total() == 10);
  }
  SECTION("slow to begin") {
    const Folder directory;
    const Pipe pipe(directory.path() + "/eve");
    Outlet outlet = eve(pipe.path, {.queue_bytes_max = 20'000, .required = true, .patience = 1ms});
    REQUIRE(outlet.start({.may_wait = true}));
    std::string got;
    std::thread late([&] {
      std::this_thread::sleep_for(300ms);  // longer than the patience of an outlet that is not required
      const int reader = pipe.open_to_read();
      while (std::count(got.begin(), got.end(), '\n') < 3000) got += read_some(reader, 65536);
      ::close(reader);
    });
    for (int i = 0; i < 300; ++i) REQUIRE(outlet.write(events(i * 10, 10)));
    outlet.end();
    CHECK(outlet.wait().lost_total() == 0);
    late.join();
    CHECK(numbers(got) == counting(0, 3000));
  }
}
