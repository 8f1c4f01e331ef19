// The account keeper: what is counted gets into the file by itself, and a disk that fails costs the file alone.
#include "capture/account_keeper.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <thread>

#include "storage/read/account_file_reader.h"
#include "tests/support/simulated_files.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

std::vector<AccountRecord> account_of(uint64_t received) {
  AccountRecord record;
  record.timestamp_ns = 1;
  record.worker_account[Counter::kReceived] = record.worker_account[Counter::kStored] = received;
  return {record};
}

uint64_t received_in(FileSystem& files, bool* ended = nullptr) {
  auto reader = AccountFileReader::open(files, "/store");
  if (!reader) return 0;
  const auto state = reader->read();
  REQUIRE(state);
  if (ended != nullptr) *ended = state->ended;
  return state->accounts.empty() ? 0 : state->accounts[0].worker_account[Counter::kReceived];
}

template <class Condition>
bool comes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

AccountKeeper::Open opening(FileSystem& files) {
  return [&files] {
    AccountFileHeader header = AccountFileHeader::make();
    header.workers = 1;
    return AccountFile::create(files, "/store", header);
  };
}

}  // namespace

TEST_CASE("an account is kept as it is counted, and its last words as the last", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  std::atomic<uint64_t> received{3};
  AccountKeeper keeper(
      opening(files), [&](bool) { return account_of(received); }, system_clock());
  keeper.start();
  CHECK(received_in(files) == 3);
  received = 1000;
  CHECK(comes_true([&] { return received_in(files) == 1000; }));
  received = 1001;
  bool ended = true;
  CHECK(comes_true([&] { return received_in(files, &ended) == 1001; }));
  CHECK_FALSE(ended);
  keeper.end(true);
  CHECK(received_in(files, &ended) == 1001);
  CHECK(ended);
  CHECK(keeper.failures() == 0);
}

TEST_CASE("a run that did not end properly says no last word", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  AccountKeeper keeper(
      opening(files), [](bool) { return account_of(5); }, system_clock());
  keeper.start();
  keeper.end(false);
  bool ended = true;
  CHECK(received_in(files, &ended) == 5);
  CHECK_FALSE(ended);
}

TEST_CASE("an account that cannot be kept is counted, tried again, and stops nobody", "[account]") {
  SimulatedFiles files;
  REQUIRE(files.make_directories("/store"));
  std::atomic<bool> broken{true};
  const auto fault = [&](const SimulatedFiles::Call& call) {
    const bool hit = broken && call.path.ends_with("account.new");
    return SimulatedFiles::Outcome{hit ? EIO : 0, 0};
  };
  files.set_fault(fault);
  AccountKeeper keeper(
      opening(files), [](bool) { return account_of(8); }, system_clock());
  keeper.start();
  CHECK(keeper.failures() == 1);
  CHECK(keeper.failure().find("account.new") != std::string::npos);
  broken = false;
  CHECK(comes_true([&] { return received_in(files) == 8; }));
  keeper.end(true);
}
