#include "packet/account.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cstring>

#include "packet/account_report.h"
#include "packet/records.h"

using namespace gatetape;

namespace {

// A record of the type as one worker's account, its fields given as bytes.
class StoredAccount {
 public:
  explicit StoredAccount(uint8_t type) {
    put(uint32_t{0});  // the length, known at the end
    put(type);
    put(int64_t{77});  // until when it counts
    put(int64_t{11});  // when its run began
    put(uint16_t{3});  // worker
  }
  template <class T>
  StoredAccount& put(T value) {
    for (const uint8_t byte : std::bit_cast<std::array<uint8_t, sizeof value>>(value)) bytes_.push_back(byte);
    return *this;
  }
  AccountRecord read() {
    const auto length = static_cast<uint32_t>(bytes_.size() - 4);
    std::memcpy(bytes_.data(), &length, sizeof length);
    AccountRecord out;
    int count = 0;
    REQUIRE(for_each_record(
        bytes_, [&](const Record& record) { out = std::get<AccountRecord>(record), ++count; },
        record_types<AccountRecord>()));
    REQUIRE(count == 1);
    return out;
  }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace

TEST_CASE("every counter is part of the sum, the difference and the stored account") {
  AccountRecord record;
  WorkerAccount& account = record.worker_account;
  for (size_t i = 0; i < account.words().size(); ++i) account.words()[i] = (1000 + i) << 30;
  RecordBatch batch;
  batch.append(record);
  WorkerAccount twice = account;
  twice += account;
  const WorkerAccount once = difference(twice, account);
  REQUIRE(for_each_record(batch.bytes(), [&](const Record& read) {
    for (size_t i = 0; i < account.words().size(); ++i) {
      INFO(account.table()[i].name);
      CHECK(std::get<AccountRecord>(read).worker_account.words()[i] == (1000 + i) << 30);
      CHECK(twice.words()[i] == (1000 + i) << 31);
      CHECK(once.words()[i] == (account.table()[i].group_row().is_gauge() ? 0 : (1000 + i) << 30));
    }
  }));
}

TEST_CASE("the balance holds over every part, and over nothing else") {
  for (size_t i = 0; i < std::size(kWorkerCounters); ++i) {
    WorkerAccount account;
    account.words()[i] = 5;
    const CounterGroupRow& group = kWorkerCounters[i].group_row();
    INFO(kWorkerCounters[i].name);
    CHECK(account.balances() == (group.place == BalancePlace::kBeside || group.place == BalancePlace::kNow));
    account[Counter::kReceived] += 5;
    CHECK(account.balances() == group.is_part());
  }
}

TEST_CASE("the compiler would refuse a row whose number or name is another's") {
  static constexpr CounterRow kRow{1, CounterGroup::kDropped, CounterUnit::kPackets, "a", ""};
  static constexpr CounterRow kSameNumber{1, CounterGroup::kDropped, CounterUnit::kPackets, "b", ""};
  static constexpr CounterRow kSameName{2, CounterGroup::kDropped, CounterUnit::kPackets, "a", ""};
  static constexpr CounterRow kOther{2, CounterGroup::kFiltered, CounterUnit::kPackets, "a", ""};
  static constexpr uint16_t kRetired[] = {2};
  STATIC_REQUIRE_FALSE(counters_are_distinct(std::array{kRow, kSameNumber}, {}));
  STATIC_REQUIRE_FALSE(counters_are_distinct(std::array{kRow, kSameName}, {}));
  STATIC_REQUIRE(counters_are_distinct(std::array{kRow, kOther}, {}));
  STATIC_REQUIRE_FALSE(counters_are_distinct(std::array{kRow, kOther}, kRetired));
}

TEST_CASE("accounts of the first form are read: words in the order of their numbers") {
  StoredAccount stored(AccountRecord::kWordsType);
  // As the first version wrote them: 57 words of a worker, 5 of a port.
  stored.put(uint16_t{57});
  for (uint64_t word = 0; word < 57; ++word) stored.put(100 + word);
  stored.put(uint16_t{5});
  for (uint64_t word = 0; word < 5; ++word) stored.put(200 + word);
  const AccountRecord record = stored.read();
  CHECK(record.timestamp_ns == 77);
  CHECK(record.run_started_ns == 11);
  CHECK(record.worker == 3);
  CHECK_FALSE(record.of_file);
  const WorkerAccount& account = record.worker_account;
  CHECK(account[Counter::kReceived] == 100);
  CHECK(account[Counter::kReceivedBytes] == 101);
  CHECK(account[Counter::kStored] == 102);
  CHECK(account[Counter::kInFlight] == 107);
  CHECK(account[Counter::kFilteredBpf] == 110);
  CHECK(account[Counter::kDroppedWorkerQueueFull] == 116);
  CHECK(account[Counter::kDroppedOversized] == 119);
  CHECK(account[Counter::kDecodedOk] == 124);
  CHECK(account[Counter::kDecodedTooManyLayers] == 131);
  CHECK(account[Counter::kBadChecksum] == 140);
  CHECK(account[Counter::kTcpAcknowledgedUnseen] == 142);
  CHECK(account[Counter::kFlowsCreated] == 145);
  CHECK(account[Counter::kEncryptedBytes] == 156);
  CHECK(account[Counter::kDroppedUnknown] == 0);
  CHECK(record.port_account[PortCounter::kOffered] == 200);
  CHECK(record.port_account[PortCounter::kErrors] == 204);
}

TEST_CASE("of a newer version's words only what it dropped is kept, as a loss without a name") {
  constexpr uint16_t kUnknown = 0x7000, kUnknownDrop = 0xf001;
  StoredAccount stored(AccountRecord::kType);
  stored.put(uint8_t{1}).put(uint16_t{3});
  stored.put(kUnknown).put(uint64_t{9}).put(uint16_t{0}).put(uint64_t{12}).put(kUnknownDrop).put(uint64_t{12});
  stored.put(uint16_t{1}).put(kUnknownDrop).put(uint64_t{5});
  const AccountRecord record = stored.read();
  CHECK(record.of_file);
  CHECK(record.worker_account[Counter::kReceived] == 12);
  CHECK(record.worker_account[Counter::kDroppedUnknown] == 12);
  CHECK(record.worker_account.balances());
  CHECK(losses(record.worker_account).size() == 1);
  CHECK(record.port_account.balances());
}

TEST_CASE("losses are told in words") {
  WorkerAccount account;
  CHECK(losses(account).empty());
  account[Counter::kReceived] = account[Counter::kStored] = 5;
  account[Counter::kFilteredBpf] = 5;
  CHECK(losses(account).empty());
  account[Counter::kDroppedStoreQueueFull] = 1;
  account[Counter::kCut] = 1200;
  const auto texts = losses(account);
  REQUIRE(texts.size() == 2);
  CHECK(texts[0] == "1,200 packets left out or shortened by policy");
  CHECK(texts[1] == "1 packet dropped (store_queue_full): the disk was slower than the traffic");
  PortAccount port;
  port[PortCounter::kMissed] = 13;
  CHECK(losses(port) == std::vector<std::string>{"13 packets missed by the driver"});
}

TEST_CASE("text shows what is not zero, with separators, and whether the sum holds") {
  WorkerAccount account;
  account[Counter::kReceived] = 1234567;
  account[Counter::kStored] = 1234566;
  account[Counter::kDroppedStoreFailed] = 1;
  std::string text;
  append_balance_text(text, nullptr, account);
  CHECK(text.find("1,234,567 packets\n") != std::string::npos);
  CHECK(text.find("dropped (store_failed)") != std::string::npos);
  CHECK(text.find("oversized") == std::string::npos);
  CHECK(text.find("missed") == std::string::npos);
  CHECK(text.find("DOES NOT BALANCE") == std::string::npos);
  ++account[Counter::kReceived];
  const PortAccount port;
  text.clear();
  append_balance_text(text, &port, account);
  CHECK(text.find("missed by the driver") != std::string::npos);
  CHECK(text.find("DOES NOT BALANCE") != std::string::npos);
  text.clear();
  append_balance_text(text, &port, account, false);
  CHECK(text.find("DOES NOT BALANCE") == std::string::npos);
}

TEST_CASE("every counter that is not zero has its line, of its group alone") {
  for (size_t i = 0; i < std::size(kWorkerCounters); ++i) {
    WorkerAccount account;
    account.words()[i] = 7654;
    std::string text;
    append_balance_text(text, nullptr, account);
    append_beside_balance_text(text, account);
    INFO(kWorkerCounters[i].name << "\n" << text);
    CHECK(text.find(kWorkerCounters[i].words) != std::string::npos);
    CHECK(text.find("7,654") != std::string::npos);
  }
}

TEST_CASE("the line of what was seen has its plurals right") {
  WorkerAccount account;
  account[Counter::kFlowsCreated] = 1;
  account[Counter::kAlerts] = 1000;
  CHECK(seen_text(account) == "0 HTTP transactions, 1 flow, 1,000 alerts");
}
