// Whole stores, with their ledgers: whatever is taken away, an extract does not call itself complete, and it says what
// happened. What nothing happened to, it does.
#include <catch2/catch.hpp>
#include <filesystem>

#include "storage/query/extract.h"
#include "storage/query/store_history.h"
#include "storage/write/account_file.h"
#include "tests/storage/store_support.h"
#include "tests/support/turned_clock.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'795'000'000 * kSecond;

// Packets of noise, a millisecond apart: they do not compress, so that segments fill.
std::vector<QueryPacket> noise(size_t count, int64_t start_ns) {
  std::vector<QueryPacket> packets = packets_of_many_kinds(5, 1);
  uint64_t state = 88172645463325252u;
  std::vector<QueryPacket> out;
  for (size_t i = 0; i < count; ++i) {
    QueryPacket packet = packets[0];
    packet.flow_id = 4;  // one class
    packet.timestamp_ns = start_ns + static_cast<int64_t>(i) * 1'000'000;
    packet.bytes.resize(1000);
    for (size_t b = 40; b < packet.bytes.size(); ++b) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      packet.bytes[b] = static_cast<uint8_t>(state);
    }
    packet.wire_length = 1000;
    out.push_back(std::move(packet));
  }
  return out;
}

struct RunOptionsOfTest {
  int64_t start_ns = kStart;
  size_t packets = 6000;
  uint64_t ring_bytes = 1 << 30;
  bool ends = true;
  bool records = true;
};

// A run as a session makes it: its marks, and an account each second of packets' time.
void record_run(const std::string& directory, const RunOptionsOfTest& run) {
  StoreOptions options = small_store(directory);
  options.run_started_ns = run.start_ns;
  options.ring_bytes_max = run.ring_bytes;
  options.segment_raw_bytes_max = 1 << 20;
  auto store = Store::open(options, false);
  REQUIRE(store);
  RecordBatch batch;
  RunRecord mark;
  mark.timestamp_ns = mark.run_started_ns = run.start_ns;
  mark.of_file = true;
  mark.host = "sensor-7";
  mark.clock = "a clock";
  batch.append(mark);
  AccountRecord account;
  account.run_started_ns = run.start_ns;
  account.of_file = true;
  for (size_t second = 0; second * 1000 <= run.packets; ++second) {
    account.timestamp_ns = run.start_ns + static_cast<int64_t>(second) * kSecond - 1;
    account.worker_account[Counter::kReceived] = account.worker_account[Counter::kStored] = second * 1000;
    batch.append(account);
  }
  mark.ended = true;
  mark.timestamp_ns = account.timestamp_ns;
  if (run.ends) batch.append(mark);
  if (run.records) REQUIRE((*store)->records().write(batch));
  write_packets(**store, noise(run.packets, run.start_ns), 1, 500);
  REQUIRE((*store)->close());
}

ExtractStatement statement_of(const std::vector<std::string>& directories, const TimeRange& range = {},
                              const std::string& text = "") {
  auto reader = StoreReader::open(directories);
  REQUIRE(reader);
  Result<Expression> expression = Expression::parse(text);
  REQUIRE(expression);
  REQUIRE(expression->compile(link_types_of(*(*reader)->summary())));
  ExtractRequest request;
  request.range = range;
  request.origin.stores = directories;
  request.output.path = directories.front() + "/../out";
  auto statement = extract(**reader, *expression, request, [] { return false; });
  REQUIRE(statement);
  return std::move(*statement);
}

ExtractStatement statement_of(const std::string& directory, const TimeRange& range = {}, const std::string& text = "") {
  return statement_of(std::vector{directory}, range, text);
}

std::vector<std::string> codes_of(const ExtractStatement& statement) {
  std::vector<std::string> codes;
  for (const Shortfall& shortfall : statement.shortfalls()) codes.emplace_back(shortfall.code);
  return codes;
}

uint64_t count_of(const ExtractStatement& statement, std::string_view code) {
  uint64_t sum = 0;
  for (const Shortfall& shortfall : statement.shortfalls()) sum += shortfall.code == code ? shortfall.count : 0;
  return sum;
}

TimeRange seconds(int64_t from, int64_t to) {
  return {kStart + from * kSecond, kStart + to * kSecond};
}

using Codes = std::vector<std::string>;

}  // namespace

TEST_CASE("a store of which nothing is missing is complete, and says who recorded it", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  record_run(store, {});
  const ExtractStatement all = statement_of(store);
  CHECK(codes_of(all) == Codes{});
  CHECK(all.packets == 6000);
  CHECK(all.complete_spans().size() == 1);
  REQUIRE(describe_runs(all).size() == 1);
  CHECK(describe_runs(all)[0].find("sensor-7") != std::string::npos);
  CHECK(describe_runs(all)[0].find("a clock") != std::string::npos);
  std::string json;
  append_statement(json, all);
  CHECK(json.find("\"store_uuids\":[\"") != std::string::npos);
  CHECK(json.find("\"clock\":\"a clock\"") != std::string::npos);
  // A file that a recorder may leave, or somebody else, changes nothing.
  write_file(store + "/account", {1, 2, 3});
  CHECK(codes_of(statement_of(store)) == Codes{});
  CHECK(statement_of(store).read_records.damage.size() == 1);
}

TEST_CASE("each segment that is taken away is said to be removed, in packets and time", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  record_run(store, {});
  const std::vector<std::string> segments = segment_paths(store);
  REQUIRE(segments.size() >= 4);
  for (size_t i = 0; i < segments.size(); ++i) {
    CAPTURE(segments[i]);
    const std::string aside = directory.path("aside");
    std::filesystem::rename(segments[i], aside);
    const ExtractStatement all = statement_of(store);
    CHECK(codes_of(all) == Codes{"removed"});
    CHECK(count_of(all, "removed") == 6000 - all.packets);
    REQUIRE(all.shortfalls()[0].when);
    const Interval when = *all.shortfalls()[0].when;
    CHECK(codes_of(statement_of(store, {when.first_ns, when.last_ns})) == Codes{"removed"});
    if (i != 0) CHECK(codes_of(statement_of(store, {kStart, when.first_ns})) == Codes{});
    if (i + 1 != segments.size())
      CHECK(codes_of(statement_of(store, {when.last_ns + 1, kStart + 5 * kSecond})) == Codes{});
    for (const Interval& span : all.complete_spans())
      CHECK(codes_of(statement_of(store, {span.first_ns, span.last_ns})) == Codes{});
    std::filesystem::rename(aside, segments[i]);
  }
  CHECK(codes_of(statement_of(store)) == Codes{});
}

TEST_CASE("what the ring evicted is told from what was removed", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  record_run(store, {.packets = 30'000, .ring_bytes = 8 << 20});
  const ExtractStatement all = statement_of(store);
  CHECK(codes_of(all) == Codes{"evicted"});
  CHECK(count_of(all, "evicted") == 30'000 - all.packets);
  CHECK(all.packets > 0);
  const std::vector<std::string> segments = segment_paths(store);
  REQUIRE(std::filesystem::remove(segments[segments.size() / 2]));
  const ExtractStatement less = statement_of(store);
  CHECK(codes_of(less) == Codes{"removed", "evicted"});
  CHECK(count_of(less, "evicted") == 30'000 - all.packets);
  CHECK(count_of(less, "removed") == all.packets - less.packets);
}

TEST_CASE("records that are taken away weigh more where the question needs them", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  record_run(store, {});
  for (const std::string& segment : segment_paths(store, ".gtr")) REQUIRE(std::filesystem::remove(segment));
  CHECK(std::string(statement_of(store).completeness()) == "unknown");
  CHECK(std::string(statement_of(store, {}, "http.status == 200").completeness()) == "incomplete");
}

TEST_CASE("a run of which nothing is left but its beginning in the ledger is unknown", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  record_run(store, {});
  {
    // It is killed before it has written anything: the process's end is a copy that does not see the close.
    StoreOptions options = small_store(store);
    TurnedClock clock(kStart + 3600 * kSecond);
    options.clock = &clock;
    options.run_started_ns = clock.wall_ns();
    auto opened = Store::open(options, false);
    REQUIRE(opened);
    std::filesystem::copy(store, directory.path("killed"), std::filesystem::copy_options::recursive);
    REQUIRE((*opened)->close());
  }
  CHECK(codes_of(statement_of(store)) == Codes{});
  CHECK(codes_of(statement_of(directory.path("killed"))) == Codes{"run_unknown"});
  CHECK(codes_of(statement_of(directory.path("killed"), seconds(1, 4))) == Codes{});
}

TEST_CASE("packets of a run that has no account are of an unknown time", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  record_run(store, {});
  record_run(store, {.start_ns = kStart + kSecond / 2, .packets = 1000, .records = false});
  const Codes codes = codes_of(statement_of(store, seconds(0, 3)));
  CHECK(codes == Codes{"killed"});
}

TEST_CASE("a run whose accounts are lost is not hidden by the marks that are left of it", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  record_run(store, {});
  record_run(store, {.start_ns = kStart + 3600 * kSecond, .packets = 2000});
  CHECK(codes_of(statement_of(store)) == Codes{"outage"});
  // The first frame of the second run's records stays, which may hold its marks.
  const std::string records = segment_paths(store, ".gtr").back();
  for (uintmax_t size = std::filesystem::file_size(records); size > 200; size -= size / 7) {
    std::filesystem::resize_file(records, size - size / 7);
    CAPTURE(size);
    CHECK(std::string(statement_of(store).completeness()) != "complete");
    const TimeRange second{kStart + 3601 * kSecond, kStart + 3602 * kSecond - 2};
    const ExtractStatement statement = statement_of(store, second, "http.status == 200");
    CHECK((std::string(statement.completeness()) != "complete" || statement.presence.known()));
  }
}

TEST_CASE("a run that was taken away with the ledger that knew of it is not forgotten", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store"), ledger = store + "/ledger";
  std::vector<std::vector<std::string>> runs;
  for (int64_t run = 0; run < 3; ++run) {  // all of the same time: no outage tells of one that is missing
    const std::vector<std::string> before = runs.empty() ? Codes{} : segment_paths(store, "");
    record_run(store, {.start_ns = kStart + run, .packets = 2000});
    runs.emplace_back();
    for (const std::string& path : segment_paths(store, "")) {
      if (std::ranges::find(before, path) == before.end()) runs.back().push_back(path);
    }
  }
  CHECK(codes_of(statement_of(store)) == Codes{});
  const std::string backup = directory.path("backup"), aside = directory.path("aside");
  std::filesystem::copy(ledger, backup);
  for (size_t run = 0; run < runs.size(); ++run) {
    CAPTURE(run);
    std::filesystem::create_directory(aside);
    for (const std::string& path : runs[run]) {
      if (path.ends_with(".gtp") || path.ends_with(".gtr"))
        std::filesystem::rename(path, aside + "/" + std::filesystem::path(path).filename().string());
    }
    const auto word = [&] { return std::string(statement_of(store, {kStart, kStart + kSecond}).completeness()); };
    CHECK(word() == "incomplete");
    std::filesystem::remove(ledger);
    CHECK(codes_of(statement_of(store, {kStart, kStart + kSecond})) == Codes{"not_in_ledger"});
    std::filesystem::create_directory(ledger);  // something that cannot be read
    CHECK(codes_of(statement_of(store, {kStart, kStart + kSecond})) == Codes{"ledger_damaged"});
    std::filesystem::remove(ledger);
    std::filesystem::copy(backup, ledger);
    for (const std::string& path : runs[run]) {
      const std::string file = aside + "/" + std::filesystem::path(path).filename().string();
      if (std::filesystem::exists(file)) std::filesystem::rename(file, path);
    }
    std::filesystem::remove(aside);
  }
  CHECK(codes_of(statement_of(store)) == Codes{});
}

TEST_CASE("a directory in which nothing is of a store may be a disk that is not mounted", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store"), other = directory.path("other");
  record_run(store, {});
  std::filesystem::create_directory(other);
  CHECK(codes_of(statement_of({store, other})) == Codes{"no_store"});
  write_file(other + "/lock", {});  // a directory of the store into which nothing was written yet
  CHECK(codes_of(statement_of({store, other})) == Codes{});
}

TEST_CASE("a copy of a segment gives no packet twice, wherever it lies", "[history]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store"), backup = directory.path("backup");
  record_run(store, {});
  const std::vector<std::string> segments = segment_paths(store);
  REQUIRE(segments.size() >= 4);
  // The copy of a segment that was not whole yet, under the number before it.
  const std::string early = store + "/000000000000-w000-full.gtp";
  std::filesystem::copy(segments[1], early);
  std::filesystem::resize_file(early, std::filesystem::file_size(early) / 2);
  std::filesystem::copy(segments[2], store + "/000000000900-w000-full.gtp");
  std::filesystem::create_hard_link(segments[2], store + "/000000000901-w001-full.gtp");
  std::filesystem::copy(segment_paths(store, ".gtr").front(), store + "/000000000902-records.gtr");
  ExtractStatement all = statement_of(store);
  CHECK(all.packets == 6000);
  CHECK(codes_of(all) == Codes{});
  CHECK(all.read.foreign_entries == 4);
  std::filesystem::copy(store, backup, std::filesystem::copy_options::recursive);
  for (const auto& directories : {std::vector{store, backup}, std::vector{backup, store}}) {
    all = statement_of(directories);
    CHECK(all.packets == 6000);
    CHECK(codes_of(all) == Codes{});
  }
  // A copy stands in for what is gone.
  REQUIRE(std::filesystem::remove(segments[2]));
  CHECK(statement_of(store).packets == 6000);
}
