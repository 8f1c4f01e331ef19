// The account file: its last whole words are found whenever its recorder dies, whatever became of the file.
#include "storage/write/account_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <thread>

#include "common/clock.h"
#include "storage/read/account_file_reader.h"
#include "storage/read/last_accounts.h"
#include "tests/storage/store_support.h"
#include "tests/support/simulated_files.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

constexpr int64_t kSecond = kNanosecondsPerSecond;
constexpr int64_t kStart = 1'795'000'000 * kSecond;

AccountFileHeader header_of(uint16_t workers, uint8_t run = 1, int64_t started_ns = kStart) {
  AccountFileHeader header = AccountFileHeader::make();
  header.run_uuid.fill(run);
  header.run_started_ns = started_ns;
  header.workers = workers;
  return header;
}

// A balanced account of so many packets.
AccountRecord account_of(uint64_t received, uint16_t worker = 0, uint64_t in_flight = 0) {
  AccountRecord record;
  record.timestamp_ns = kStart + static_cast<int64_t>(received);
  record.run_started_ns = kStart;
  record.worker = worker;
  record.worker_account[Counter::kReceived] = received;
  record.worker_account[Counter::kInFlight] = in_flight;
  record.worker_account[Counter::kStored] = received - in_flight;
  record.worker_account[Counter::kHttpHeadBytesHeld] = received;  // the last row
  record.port_account[PortCounter::kErrors] = received;
  return record;
}

AccountFileReader::State state_of(FileSystem& files, const std::string& directory) {
  auto reader = AccountFileReader::open(files, directory);
  REQUIRE(reader);
  auto state = reader->read();
  REQUIRE(state);
  return *state;
}

std::vector<uint8_t> bytes_of(FileSystem& files, const std::string& path) {
  auto file = files.open_to_read(path);
  REQUIRE(file);
  std::vector<uint8_t> bytes((*file)->status()->bytes);
  REQUIRE((*file)->read_at(0, bytes).value() == bytes.size());
  return bytes;
}

void replace(FileSystem& files, const std::string& path, const std::vector<uint8_t>& bytes) {
  if (files.status(path)) REQUIRE(files.remove(path));
  auto file = files.create(path);
  REQUIRE(file);
  REQUIRE((*file)->write_at(0, bytes));
}

}  // namespace

TEST_CASE("an account file gives back the last account of each worker", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  auto file = AccountFile::create(files, "/store", header_of(3));
  REQUIRE(file);
  CHECK(state_of(files, "/store").accounts.empty());
  CHECK_FALSE(state_of(files, "/store").ended);
  for (uint64_t n = 1; n <= 9; ++n) {
    REQUIRE((*file)->write(account_of(n), kStart + static_cast<int64_t>(n)));
    REQUIRE((*file)->write(account_of(2 * n, 2), kStart));
    const auto state = state_of(files, "/store");
    REQUIRE(state.accounts.size() == 2);
    CHECK(state.accounts[0].worker_account[Counter::kReceived] == n);
    CHECK(state.accounts[0].worker_account[Counter::kHttpHeadBytesHeld] == n);
    CHECK(state.accounts[0].port_account[PortCounter::kErrors] == n);
    CHECK(state.accounts[0].timestamp_ns == account_of(n).timestamp_ns);
    CHECK(state.accounts[0].run_started_ns == kStart);
    CHECK(state.accounts[1].worker == 2);
    CHECK(state.accounts[1].worker_account[Counter::kStored] == 2 * n);
    CHECK(state.beat_ns == kStart + static_cast<int64_t>(n));
    CHECK_FALSE(state.ended);
  }
  for (const uint16_t worker : {uint16_t{0}, uint16_t{1}, uint16_t{2}}) {
    CHECK_FALSE(state_of(files, "/store").ended);
    REQUIRE((*file)->write(account_of(100, worker), kStart, true));
  }
  CHECK(state_of(files, "/store").ended);
}

TEST_CASE("an account that stays the same is written once a second", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  auto file = AccountFile::create(files, "/store", header_of(1));
  REQUIRE(file);
  const auto calls = [&](int64_t at_ns) {
    const uint64_t before = files.calls();
    REQUIRE((*file)->write(account_of(7), at_ns));
    return files.calls() - before;
  };
  CHECK(calls(kStart) == 1);
  CHECK(calls(kStart + kSecond - 1) == 0);
  CHECK(calls(kStart + kSecond) == 1);
  CHECK(calls(kStart + kSecond + 1) == 0);
  CHECK(calls(kStart - 1) == 1);  // the clock was set back
}

TEST_CASE("a write that breaks off leaves the account before it", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  auto file = AccountFile::create(files, "/store", header_of(1));
  REQUIRE(file);
  REQUIRE((*file)->write(account_of(1), kStart));
  const size_t slot_bytes = header_of(1).slot_bytes();
  for (size_t cut = 0; cut < slot_bytes; cut += 8) {
    files.set_fault([&](const SimulatedFiles::Call& call) {
      const bool write = call.operation == SimulatedFiles::Operation::kWrite;
      return write ? SimulatedFiles::Outcome{EIO, cut} : SimulatedFiles::Outcome{};
    });
    CHECK_FALSE((*file)->write(account_of(1'000'000), kStart + 5));
    files.set_fault({});
    const auto state = state_of(files, "/store");
    CAPTURE(cut);
    REQUIRE(state.accounts.size() == 1);
    CHECK(state.accounts[0].worker_account[Counter::kReceived] == 1);
  }
  REQUIRE((*file)->write(account_of(2), kStart + 6));
  CHECK(state_of(files, "/store").accounts[0].worker_account[Counter::kReceived] == 2);
}

TEST_CASE("a full disk hinders no account", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  auto file = AccountFile::create(files, "/store", header_of(2));
  REQUIRE(file);
  files.set_capacity(files.used());
  for (uint64_t n = 1; n < 5; ++n) REQUIRE((*file)->write(account_of(n, 1), kStart));
  CHECK(state_of(files, "/store").accounts.at(0).worker_account[Counter::kReceived] == 4);
  // The next recorder has no room for its own, says so, and destroys nothing.
  const auto refused = AccountFile::create(files, "/store", header_of(2, 2));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ENOSPC);
  CHECK(state_of(files, "/store").accounts.at(0).worker_account[Counter::kReceived] == 4);
  CHECK_FALSE(files.status("/store/account.new"));
}

TEST_CASE("an account is read whole while it is written", "[account]") {
  TemporaryDirectory directory;
  auto file = AccountFile::create(system_files(), directory.path(""), header_of(1));
  REQUIRE(file);
  REQUIRE((*file)->write(account_of(1), kStart));
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> failed{0};
  std::thread writer([&] {
    for (uint64_t n = 2; !stop; ++n) {
      failed += !(*file)->write(account_of(n), kStart);
      std::this_thread::sleep_for(std::chrono::microseconds(50));  // two hundred times the keeper's pace
    }
  });
  uint64_t last = 0, changes = 0;
  auto reader = AccountFileReader::open(system_files(), directory.path(""));
  REQUIRE(reader);
  for (int i = 0; i < 20'000; ++i) {
    const auto state = reader->read();
    REQUIRE(state);
    const AccountRecord& account = state->accounts.at(0);
    const uint64_t received = account.worker_account[Counter::kReceived];
    REQUIRE(account.worker_account[Counter::kStored] == received);
    REQUIRE(account.worker_account[Counter::kHttpHeadBytesHeld] == received);
    REQUIRE(account.port_account[PortCounter::kErrors] == received);
    REQUIRE(received >= last);
    changes += received != last;
    last = received;
  }
  stop = true;
  writer.join();
  CHECK(failed == 0);
  CHECK(changes > 10);
}

TEST_CASE("the account file is its user's alone, and no link is followed", "[account]") {
  TemporaryDirectory directory;
  const std::string path = directory.path("account");
  const mode_t mask = ::umask(0077);
  auto file = AccountFile::create(system_files(), directory.path(""), header_of(1));
  ::umask(mask);
  REQUIRE(file);
  CHECK(system_files().status(path)->rights == 0600);
  REQUIRE(::rename(path.c_str(), directory.path("elsewhere").c_str()) == 0);
  REQUIRE(::symlink("elsewhere", path.c_str()) == 0);
  const auto followed = AccountFileReader::open(system_files(), directory.path(""));
  REQUIRE_FALSE(followed);
  CHECK(followed.error().code == ELOOP);
  // The next recorder puts its own file in the link's place.
  REQUIRE(AccountFile::create(system_files(), directory.path(""), header_of(2)));
  CHECK(system_files().entry_status(path)->kind == FileStatus::Kind::kRegular);
  CHECK(AccountFileReader::open(system_files(), directory.path(""))->header().workers == 2);
}

TEST_CASE("what is no whole account file is refused, and never misread", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  CHECK(AccountFileReader::open(files, "/store").error().code == ENOENT);
  auto file = AccountFile::create(files, "/store", header_of(1));
  REQUIRE(file);
  for (uint64_t n = 1; n <= 2; ++n) REQUIRE((*file)->write(account_of(n), kStart));
  const std::vector<uint8_t> whole = bytes_of(files, "/store/account");
  const auto read = [&](const std::vector<uint8_t>& bytes) -> Result<AccountFileReader::State> {
    replace(files, "/store/account", bytes);
    auto reader = AccountFileReader::open(files, "/store");
    if (!reader) return pass_on(reader);
    return reader->read();
  };
  REQUIRE(read(whole));
  for (size_t size = 0; size < whole.size(); size += 7) {
    CAPTURE(size);
    CHECK_FALSE(read({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
  }
  const size_t header_bytes = whole.size() - 2 * header_of(1).slot_bytes();
  for (size_t at = 0; at < header_bytes; ++at) {
    std::vector<uint8_t> damaged = whole;
    damaged[at] ^= 4;
    CAPTURE(at);
    CHECK_FALSE(read(damaged));
  }
  std::vector<uint8_t> other(whole.size(), 0xa5);
  CHECK_FALSE(read(other));
  std::vector<uint8_t> no_whole_slot = whole;
  no_whole_slot[header_bytes] ^= 1;
  no_whole_slot[header_bytes + header_of(1).slot_bytes()] ^= 1;
  CHECK_FALSE(read(no_whole_slot));
}

TEST_CASE("a header with other rows is understood, and what they dropped is not overlooked", "[account]") {
  AccountFileHeader header = AccountFileHeader::make();
  header.workers = 1;
  header.earlier = {1, 2, 3};
  const auto again = AccountFileHeader::parse(header.serialise());
  REQUIRE(again);
  CHECK(again->earlier == header.earlier);
  CHECK(again->worker_numbers == header.worker_numbers);

  header.worker_numbers = {0, 0x7000, 0x8000 | 0x7001, 2};
  header.port_numbers = {2};
  ByteSink slot;
  for (const uint64_t word : {uint64_t{5}, uint64_t{0}, uint64_t{0}, uint64_t{9}, uint64_t{10}, uint64_t{11},
                              uint64_t{12}, uint64_t{13}, uint64_t{14}}) {
    slot.put(word);
  }
  slot.zeros(header.slot_bytes() - 8 - slot.size());
  slot.put(uint64_t{5});
  AccountSlot read;
  REQUIRE(AccountSlot::parse(header, slot.bytes(), read));
  CHECK(read.record.timestamp_ns == 9);
  CHECK(read.record.worker_account[Counter::kReceived] == 10);
  CHECK(read.record.worker_account[Counter::kDroppedUnknown] == 12);
  CHECK(read.record.worker_account[Counter::kStored] == 13);
  CHECK(read.record.port_account[PortCounter::kReceived] == 14);
}

// ---------------------------------------------------------------- in a store

namespace {

// A store with a run of so many packets, and what its account file would call it.
struct RecordedRun {
  Uuid uuid{};
  int64_t started_ns = 0;
};

RecordedRun record_run(const std::string& directory, size_t packets, int64_t started_ns) {
  StoreOptions options = small_store(directory);
  options.run_started_ns = started_ns;
  auto store = Store::open(options, false);
  REQUIRE(store);
  RecordedRun run{(*store)->run_uuid(), started_ns};
  RecordBatch batch;
  batch.append(EventRecord{started_ns, "test", ""});
  REQUIRE((*store)->records().write(batch));
  write_packets(**store, store_traffic(7, packets));
  REQUIRE((*store)->close());
  return run;
}

void leave_account(const std::string& directory, const RecordedRun& run, uint64_t received, uint64_t in_flight,
                   bool ended, std::vector<uint8_t> earlier = {}, int64_t beat_ns = kStart) {
  AccountFileHeader header = header_of(1);
  header.run_uuid = run.uuid;
  header.run_started_ns = run.started_ns;
  header.earlier = std::move(earlier);
  auto file = AccountFile::create(system_files(), directory, header);
  REQUIRE(file);
  REQUIRE((*file)->write(account_of(received, 0, in_flight), beat_ns, ended));
}

std::vector<AccountRecord> accounts_in(const std::string& directory, std::vector<std::string>* said = nullptr) {
  auto reader = StoreReader::open({directory});
  REQUIRE(reader);
  std::vector<AccountRecord> accounts;
  const auto read = (*reader)->records({{}, {}, record_types<AccountRecord>()}, [&](const Record& record) {
    accounts.push_back(std::get<AccountRecord>(record));
    return true;
  });
  REQUIRE(read);
  if (said != nullptr) *said = read->damage;
  return accounts;
}

std::vector<AccountRecord> killed_in(const std::string& directory) {
  auto batch = accounts_of_killed(system_files(), {directory});
  REQUIRE(batch);
  std::vector<AccountRecord> accounts;
  REQUIRE(for_each_record(batch->bytes(),
                          [&](const Record& record) { accounts.push_back(std::get<AccountRecord>(record)); }));
  return accounts;
}

}  // namespace

TEST_CASE("readers find a killed run's last words, and what never reached the disk", "[account][store]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  const RecordedRun run = record_run(store, 500, kStart);
  leave_account(store, run, 530, 100, false);
  const auto accounts = accounts_in(store);
  REQUIRE(accounts.size() == 1);
  CHECK(accounts[0].worker_account.balances());
  CHECK(accounts[0].worker_account[Counter::kReceived] == 530);
  CHECK(accounts[0].worker_account[Counter::kStored] == 500);
  CHECK(accounts[0].worker_account[Counter::kDroppedKilled] == 30);
  CHECK(accounts[0].worker_account[Counter::kInFlight] == 0);
  // A recorder that is alive has them in flight.
  leave_account(store, run, 530, 100, false, {}, wall_clock_ns());
  CHECK(accounts_in(store).at(0).worker_account[Counter::kInFlight] == 100);
  CHECK(accounts_in(store).at(0).worker_account[Counter::kDroppedKilled] == 0);
}

TEST_CASE("a killed run's port received at least what its workers did", "[account][store]") {
  for (const uint64_t of_port : {520, 530, 540}) {
    LastAccounts last;
    for (uint16_t worker = 0; worker < 2; ++worker) {
      AccountRecord record;
      record.worker = worker;
      record.worker_account[Counter::kReceived] = record.worker_account[Counter::kStored] = 265;
      last.accounts.push_back(record);
    }
    PortAccount& port = last.accounts[0].port_account;
    port[PortCounter::kReceived] = of_port;
    port[PortCounter::kMissed] = 7;
    port[PortCounter::kOffered] = of_port + 7;
    settle_killed(last, {});
    CHECK(port[PortCounter::kReceived] == std::max<uint64_t>(of_port, 530));
    CHECK(port.balances());
    CHECK(last.accounts[1].port_account[PortCounter::kReceived] == 0);
  }
}

TEST_CASE("an account file of another store, or garbage, is said and left alone", "[account][store]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  const RecordedRun run = record_run(store, 50, kStart);
  RecordedRun other{run.uuid, kStart - kSecond};
  other.uuid[0] ^= 1;
  leave_account(store, other, 80, 0, false);
  std::vector<std::string> said;
  CHECK(accounts_in(store, &said).empty());
  CHECK(said.size() == 1);
  CHECK_FALSE(accounts_of_killed(system_files(), {store}));
  write_file(store + "/account", std::vector<uint8_t>(5000, 7));
  CHECK(accounts_in(store, &said).empty());
  CHECK(said.size() == 1);
  CHECK_FALSE(accounts_of_killed(system_files(), {store}));
  REQUIRE(system_files().remove(store + "/account"));
  CHECK(accounts_in(store, &said).empty());
  CHECK(said.empty());
  CHECK(killed_in(store).empty());
}

TEST_CASE("the next recorder takes over what was killed, and what that one had taken over", "[account][store]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  const RecordedRun run = record_run(store, 500, kStart);
  leave_account(store, run, 500, 0, true);
  CHECK(killed_in(store).empty());  // it ended properly
  leave_account(store, run, 520, 20, false);
  const auto killed = killed_in(store);
  REQUIRE(killed.size() == 1);
  CHECK(killed[0].worker_account[Counter::kDroppedKilled] == 20);

  // The next one is killed before it has a segment.
  auto batch = accounts_of_killed(system_files(), {store});
  REQUIRE(batch);
  RecordedRun second{run.uuid, kStart + 100 * kSecond};
  second.uuid[0] ^= 1;
  leave_account(store, second, 9, 9, false, {batch->bytes().begin(), batch->bytes().end()});
  for (const auto& accounts : {killed_in(store), accounts_in(store)}) {
    REQUIRE(accounts.size() == 2);
    CHECK(accounts[0].run_started_ns == kStart);
    CHECK(accounts[0].worker_account[Counter::kDroppedKilled] == 20);
    CHECK(accounts[1].run_started_ns == second.started_ns);
    CHECK(accounts[1].worker_account[Counter::kDroppedKilled] == 9);
  }
}
