// The cache of compiled databases: what it keeps is what was compiled, and nothing in it but that is ever used.
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "rules/engine/database_cache.h"
#include "tests/rules/engine/engine_support.h"

namespace gatetape {
namespace {

namespace fs = std::filesystem;
using engine_test::Talk;

constexpr const char* kRules =
    "alert tcp-pkt any any -> any any (msg:\"packet\"; flow:to_server; content:\"knock\"; sid:1;)\n"
    "alert http any any -> any any (msg:\"uri\"; http.uri; content:\"/etc/passwd\"; sid:2;)\n"
    "alert http any any -> any any (msg:\"host\"; http.host; content:\"evil.example\"; sid:3;)\n";

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/gatetape-cache-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Directory() { fs::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct Load {
  std::shared_ptr<const RuleSet> rules;
  size_t databases = 0, cached = 0;
  std::string problem;
};

Load load(const std::string& directory, const std::string& text = kRules) {
  DatabaseCache cache(directory);
  auto rules = RuleSet::compile(parse_rule_text("test.rules", text, RuleVariables::defaults()), cache);
  REQUIRE(rules);
  Load loaded{.rules = *rules, .problem = cache.problem()};
  for (const PrefilterInfo& info : (*rules)->prefilters()) {
    ++loaded.databases;
    loaded.cached += info.prefilter->from_cache();
  }
  return loaded;
}

std::vector<uint32_t> alerts(const Load& loaded) {
  Talk talk(loaded.rules);
  return talk.packet("knock knock");
}

std::vector<fs::path> files_in(const std::string& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

}  // namespace

TEST_CASE("what was compiled once is found the next time, and matches the same") {
  Directory home;
  const std::string cache = home / "a/b/rules";  // with its parents
  const Load first = load(cache);
  CHECK(first.problem.empty());
  CHECK(first.cached == 0);
  CHECK(first.databases >= 3);
  CHECK(files_in(cache).size() == first.databases);
  const Load second = load(cache);
  CHECK(second.cached == second.databases);
  CHECK(alerts(first) == std::vector<uint32_t>{1});
  CHECK(alerts(second) == std::vector<uint32_t>{1});
  for (size_t i = 0; i < first.rules->prefilters().size(); ++i) {
    CHECK(second.rules->prefilters()[i].prefilter->literal_count() ==
          first.rules->prefilters()[i].prefilter->literal_count());
  }
}

TEST_CASE("one more rule costs the databases that it is in") {
  Directory home;
  const Load first = load(home / "rules");
  const Load more = load(home / "rules",
                         std::string(kRules) + "alert http any any -> any any (http.host; content:\"bad\"; sid:4;)\n");
  CHECK(more.databases == first.databases);
  CHECK(more.cached > 0);
  CHECK(more.cached < more.databases);
}

TEST_CASE("a rule that differs in case alone is compiled for itself") {
  Directory home;
  const auto with = [&](const char* option) {
    return load(home / "rules",
                fmt::format("alert tcp-pkt any any -> any any (content:\"KNOCK\"; {} sid:1;)\n", option));
  };
  CHECK(alerts(with("")).empty());
  CHECK(alerts(with("nocase;")) == std::vector<uint32_t>{1});
  CHECK(alerts(with("")).empty());
}

TEST_CASE("a file that is not whole is compiled anew and replaced") {
  Directory home;
  const std::string cache = home / "rules";
  const size_t databases = load(cache).databases;
  const std::vector<fs::path> files = files_in(cache);
  const fs::path victim = files.front();
  const std::string whole = content_of(victim);
  const auto mended = [&] {
    const Load loaded = load(cache);
    return loaded.cached == databases - 1 && content_of(victim) == whole && alerts(loaded) == std::vector<uint32_t>{1};
  };

  for (const size_t size : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{47}, size_t{48}, size_t{49},
                            whole.size() / 2, whole.size() - 1}) {
    INFO("cut to " << size);
    write(victim, whole.substr(0, size));
    CHECK(mended());
  }
  // Magic, digest, Hyperscan's own header (its version, platform and size are not under its checksum), bytecode.
  for (size_t at = 0; at < whole.size(); at = at < 160 ? at + 1 : at * 2) {
    INFO("changed at " << at);
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    write(victim, changed);
    CHECK(mended());
  }
  write(victim, whole + "x");
  CHECK(mended());
  // Whole, but another's.
  fs::copy_file(files.back(), victim, fs::copy_options::overwrite_existing);
  CHECK(mended());
  fs::remove(victim);
  CHECK(::mkfifo(victim.c_str(), 0600) == 0);  // opening it to read must not wait for a writer
  CHECK(load(cache).cached == databases - 1);
}

TEST_CASE("a directory that others can write to is not used") {
  Directory home;
  const std::string cache = home / "rules";
  load(cache);
  const auto files = files_in(cache).size();
  for (const mode_t mode : {0770, 0707}) {
    REQUIRE(chmod(cache.c_str(), mode) == 0);
    const Load loaded = load(cache, "alert tcp any any -> any any (content:\"knock\"; content:\"other\"; sid:9;)\n");
    CHECK(loaded.cached == 0);
    CHECK(loaded.problem.find(cache + ": belongs to another user or can be written by others") == 0);
    CHECK(files_in(cache).size() == files);
  }
}

TEST_CASE("a file that others can write to, or that is elsewhere, is not used") {
  Directory home;
  const std::string cache = home / "rules";
  const size_t databases = load(cache).databases;
  const fs::path victim = files_in(cache).front();
  REQUIRE(chmod(victim.c_str(), 0666) == 0);
  CHECK(load(cache).cached == databases - 1);  // and replaced by one of our own
  CHECK(load(cache).cached == databases);
  fs::rename(victim, home / "elsewhere");
  fs::create_symlink(home / "elsewhere", victim);
  CHECK(load(cache).cached == databases - 1);
  CHECK_FALSE(fs::is_symlink(victim));
}

TEST_CASE("a cache that cannot be used is told, and rules load without it") {
  Directory home;
  write(home / "file", "");
  for (const std::string& directory : {home / "file", home / "file/below", std::string("/proc/none")}) {
    const Load loaded = load(directory);
    INFO(loaded.problem);
    CHECK(loaded.problem.find(directory) == 0);
    CHECK(loaded.databases > 0);
    CHECK(alerts(loaded) == std::vector<uint32_t>{1});
  }
}

TEST_CASE("what cannot be written leaves nothing behind") {
  Directory home;
  const std::string cache = home / "rules";
  rlimit before = {};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit little = {.rlim_cur = 100, .rlim_max = before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &little) == 0);
  const Load loaded = load(cache);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(loaded.problem.find("File too large") != std::string::npos);
  CHECK(alerts(loaded) == std::vector<uint32_t>{1});
  CHECK(files_in(cache).empty());
}

TEST_CASE("what was not used for long is removed, and so is what was left half written") {
  Directory home;
  const std::string directory = home / "rules";
  load(directory);
  const std::vector<fs::path> files = files_in(directory);
  const auto now = fs::file_time_type::clock::now();
  const auto days = [](int n) { return std::chrono::hours(24 * n); };
  const std::string recent_part = files[2].string() + ".1.part", old_part = files[2].string() + ".2.part";
  const std::vector<std::string> not_ours = {directory + "/notes.txt", directory + "/film.mkv.part",
                                             directory + "/other.hsdb", files[2].string() + ".bak"};
  write(recent_part, "");
  write(old_part, "");
  fs::last_write_time(old_part, now - days(1));
  for (const std::string& path : not_ours) {
    write(path, "");
    fs::last_write_time(path, now - days(1000));
  }
  fs::last_write_time(files[0], now - days(DatabaseCache::kUnusedDays) - days(1));
  fs::last_write_time(files[1], now - days(DatabaseCache::kUnusedDays) + days(1));

  SECTION("unused") {
    DatabaseCache(directory).prune();
    CHECK_FALSE(fs::exists(files[0]));
    CHECK(fs::exists(files[1]));
    CHECK(fs::exists(recent_part));
    CHECK_FALSE(fs::exists(old_part));
    for (const std::string& path : not_ours) CHECK(fs::exists(path));
  }
  SECTION("used meanwhile") {
    load(directory);
    DatabaseCache(directory).prune();
    CHECK(fs::exists(files[0]));
  }
}

TEST_CASE("several may load at once") {
  Directory home;
  const std::string cache = home / "rules";
  std::vector<std::thread> threads;
  std::array<bool, 4> good{};
  for (bool& this_one : good) {
    threads.emplace_back([&] {
      DatabaseCache own(cache);
      const auto rules = RuleSet::compile(parse_rule_text("t", kRules, RuleVariables::defaults()), own);
      this_one = rules.has_value() && own.problem().empty() && Talk(*rules).packet("knock") == std::vector<uint32_t>{1};
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == std::array<bool, 4>{true, true, true, true});
  const Load after = load(cache);
  CHECK(after.cached == after.databases);
  CHECK(files_in(cache).size() == after.databases);
}

TEST_CASE("the cache is where a service or a user has its own") {
  const char* names[] = {"CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"};
  std::vector<std::pair<const char*, std::optional<std::string>>> before;
  for (const char* name : names) {
    const char* value = std::getenv(name);
    before.emplace_back(name, value == nullptr ? std::nullopt : std::optional<std::string>(value));
    unsetenv(name);
  }
  CHECK(default_cache_directory().empty());
  setenv("HOME", "/home/ada", 1);
  CHECK(default_cache_directory() == "/home/ada/.cache/gatetape");
  setenv("XDG_CACHE_HOME", "relative", 1);  // to be ignored, as the XDG specification says
  CHECK(default_cache_directory() == "/home/ada/.cache/gatetape");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  CHECK(default_cache_directory() == "/cache/gatetape");
  setenv("CACHE_DIRECTORY", "/var/cache/gatetape:/var/cache/more", 1);
  CHECK(default_cache_directory() == "/var/cache/gatetape");
  for (const auto& [name, value] : before) value ? setenv(name, value->c_str(), 1) : unsetenv(name);
}

}  // namespace gatetape
