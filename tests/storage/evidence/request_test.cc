// Requests of readers to a recorder: extractions are noted in the ledger, segments pinned; and whatever else somebody
// puts where requests are taken from costs little and changes nothing.
#include "storage/evidence/store_request.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <random>

#include "storage/evidence/store_verify.h"
#include "storage/write/request_taker.h"
#include "tests/storage/store_support.h"
#include "tests/support/turned_clock.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

namespace fs = std::filesystem;

Custody some_custody(uint64_t packets = 17) {
  return {5, packets, 1000, "somebody@here", "host 10.9.0.1", {{"result", "complete"}}};
}

std::vector<LedgerEntry> ledger_of(const std::string& store) {
  std::vector<LedgerEntry> entries;
  REQUIRE(read_ledger(system_files(), ledger_path(store), [&](const LedgerEntry& e) { entries.push_back(e); }));
  return entries;
}

template <class Content>
std::vector<Content> contents_of(const std::string& store) {
  std::vector<Content> found;
  for (const LedgerEntry& entry : ledger_of(store)) {
    if (const auto* content = std::get_if<Content>(&entry.content)) found.push_back(*content);
  }
  return found;
}

// A notary and the one who takes requests in for it, without a store around them.
struct Recorder {
  TemporaryDirectory directory;
  TurnedClock clock;
  const std::shared_ptr<const SigningKey> key = std::make_shared<const SigningKey>(SigningKey::generate());
  const std::string store = directory.path(".");
  const std::string requests = store + "/" + kRequestDirectory;
  std::vector<Pin> pinned;
  Result<void> pin_result;
  std::unique_ptr<Notary> notary = open();
  RequestTaker taker{system_files(), store, *notary, clock, [this](const Pin& pin) {
                       pinned.push_back(pin);
                       return pin_result;
                     }};

  std::unique_ptr<Notary> open() {
    EvidenceOptions options;
    options.key = key;
    auto opened = Notary::open(system_files(), store, std::move(options), Uuid{1}, Uuid{2}, {}, clock);
    REQUIRE(opened);
    return std::move(*opened);
  }
  VerifyReport verify() const {
    VerifyOptions options;
    options.directories = {store};
    options.fingerprint = key->fingerprint();
    auto report = verify_store(system_files(), options);
    REQUIRE(report);
    return *report;
  }
};

// Packets that neither repeat nor compress, all of one class.
std::vector<QueryPacket> noise(uint32_t seed, size_t count) {
  std::mt19937_64 random(seed);
  auto packets = repeating_traffic(seed, count);
  for (auto& p : packets) {
    p.flow_id = 4;
    p.bytes.resize(1500);
    for (size_t i = 54; i + 8 <= p.bytes.size(); i += 8) {
      const uint64_t word = random();
      std::memcpy(p.bytes.data() + i, &word, 8);
    }
    p.wire_length = 1500;
  }
  return packets;
}

std::vector<StoredSegment> packet_segments(const std::string& store) {
  auto reader = StoreReader::open({store});
  REQUIRE(reader);
  auto segments = (*reader)->segments();
  REQUIRE(segments);
  std::erase_if(*segments, [](const StoredSegment& s) { return s.kind != SegmentKind::kPackets || !s.sealed; });
  return *segments;
}

bool is_there(const std::string& store, uint64_t sequence) {
  return std::ranges::any_of(packet_segments(store), [&](const StoredSegment& s) { return s.sequence == sequence; });
}

Pin pin_of(const StoredSegment& segment, bool on = true) {
  return {7, on, segment.sequence, segment.uuid, "somebody@here", "case 17"};
}

}  // namespace

TEST_CASE("a request survives the way through its file, and no damaged one does", "[request]") {
  for (const LedgerContent& content :
       {LedgerContent(some_custody()), LedgerContent(Pin{1, true, 9, Uuid{3}, "w", "r"})}) {
    const auto bytes = serialise_request(content);
    const auto back = parse_request(bytes);
    REQUIRE(back);
    CHECK(*back == content);
    for (size_t i = 0; i < bytes.size(); i++) {
      auto changed = bytes;
      changed[i] ^= 1;
      CHECK(!parse_request(changed));
      CHECK(!parse_request(std::span(bytes).first(i)));
    }
    auto longer = bytes;
    longer.push_back(0);
    CHECK(!parse_request(longer));
  }
  CHECK(!parse_request(serialise_request(SegmentEvicted{})));  // not for a reader to say
  CHECK(!parse_request(serialise_request(RunEnded{})));
}

TEST_CASE("an extraction is noted and signed, with the owner of the request", "[request]") {
  Recorder recorder;
  REQUIRE(hand_over(system_files(), recorder.store, {some_custody()}));
  CHECK(requests_waiting(system_files(), recorder.store) == 1);
  CHECK(recorder.verify().requests == 1);
  recorder.taker.take();
  CHECK(requests_waiting(system_files(), recorder.store) == 0);
  const auto noted = contents_of<Custody>(recorder.store);
  REQUIRE(noted.size() == 1);
  CHECK(noted[0].packets == 17);
  CHECK(noted[0].query == "host 10.9.0.1");
  CHECK(fact(noted[0].facts, "uid") == std::to_string(::getuid()));
  CHECK(!fact(noted[0].facts, "received").empty());
  const VerifyReport report = recorder.verify();
  CHECK(report.sound());
  CHECK(report.extractions == 1);
  CHECK(report.signed_leaves == report.leaves);
}

TEST_CASE("a store that is open to a group has a place for its members' requests, which they cannot look into",
          "[request]") {
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.group_may_ask = true;
  write_store(options, store_traffic(93, 10));
  struct stat status;
  REQUIRE(::stat((options.directories.front() + "/" + kRequestDirectory).c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 03730);
}

TEST_CASE("a member of the group asks, and what he asks for bears his number", "[request]") {
  if (::geteuid() != 0) {
    WARN("skipped: becoming another user takes root");
    return;
  }
  constexpr uid_t kUser = 65533;
  constexpr gid_t kGroup = 65532;
  Recorder recorder;
  recorder.taker.open_to_group();
  REQUIRE(::chmod(recorder.store.c_str(), 0755) == 0);
  REQUIRE(::chown(recorder.requests.c_str(), 0, kGroup) == 0);
  REQUIRE(::chmod(recorder.requests.c_str(), 03730) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::umask(077);
    const bool other = ::setgroups(0, nullptr) == 0 && ::setgid(kGroup) == 0 && ::setuid(kUser) == 0;
    ::_exit(other && hand_over(system_files(), recorder.store, {some_custody()}) ? 0 : 1);
  }
  int status = 1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  recorder.taker.take();
  const auto noted = contents_of<Custody>(recorder.store);
  REQUIRE(noted.size() == 1);
  CHECK(fact(noted[0].facts, "uid") == std::to_string(kUser));
  CHECK(fs::is_empty(recorder.requests));
}

TEST_CASE("a store's recorder takes requests while it runs, and the next one those that waited", "[request]") {
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.evidence.key = std::make_shared<const SigningKey>(SigningKey::generate());
  const std::string& store = options.directories.front();
  write_store(options, store_traffic(90, 100));
  CHECK(!fs::exists(store + "/" + kRequestDirectory));  // nobody asked for anything
  REQUIRE(hand_over(system_files(), store, {some_custody(1)}));
  {
    auto open = Store::open(options, false);
    REQUIRE(open);
    REQUIRE(hand_over(system_files(), store, {some_custody(2)}));
    REQUIRE((*open)->close());
  }
  CHECK(contents_of<Custody>(store).size() == 2);
  CHECK(requests_waiting(system_files(), store) == 0);
}

TEST_CASE("nothing is handed over where nobody would note it, and it is said why", "[request]") {
  TemporaryDirectory directory;
  const auto none = hand_over(system_files(), directory.path("."), {some_custody()});
  REQUIRE(!none);
  CHECK(none.error().message.find("no ledger") != std::string::npos);
  Recorder recorder;
  write_file(recorder.requests, {1});
  CHECK(!hand_over(system_files(), recorder.store, {some_custody()}));
  fs::remove(recorder.requests);
  fs::create_directory_symlink("/tmp", recorder.requests);
  CHECK(!hand_over(system_files(), recorder.store, {some_custody()}));
}

TEST_CASE("links, pipes, folders, huge and unfinished files and garbage are no requests", "[request]") {
  Recorder recorder;
  const std::string& in = recorder.requests;
  REQUIRE(hand_over(system_files(), recorder.store, {some_custody()}));
  const std::string outside = recorder.directory.path("outside");
  write_file(outside, serialise_request(some_custody(99)));
  fs::create_symlink(outside, in + "/link");
  REQUIRE(::mkfifo((in + "/pipe").c_str(), 0600) == 0);
  fs::create_directory(in + "/folder");
  write_file(in + "/garbage", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17});
  write_file(in + "/huge", std::vector<uint8_t>(kRequestBytesMax * 4, 'x'));
  fs::resize_file(in + "/huge", uint64_t{1} << 40);
  auto unfinished = serialise_request(some_custody(3));
  const auto rest = unfinished.back();
  unfinished.pop_back();
  write_file(in + "/unfinished", unfinished);
  write_file(in + "/never-finished", unfinished);
  write_file(in + "/tombstone", serialise_request(SegmentEvicted{}));

  recorder.taker.take();
  recorder.taker.take();
  CHECK(contents_of<Custody>(recorder.store).size() == 1);
  CHECK(fs::exists(in + "/unfinished"));
  unfinished.push_back(rest);
  write_file(in + "/unfinished", unfinished);
  recorder.clock.turn(6 * kNanosecondsPerSecond);
  recorder.taker.take();
  CHECK(contents_of<Custody>(recorder.store).size() == 2);
  CHECK(contents_of<SegmentEvicted>(recorder.store).empty());
  CHECK(recorder.taker.taken() == 2);
  CHECK(recorder.taker.refused() == 7);
  CHECK(fs::exists(outside));
  // The folder cannot be removed as a file can, and is let alone.
  CHECK(std::distance(fs::directory_iterator(in), fs::directory_iterator()) == 1);
  recorder.taker.take();
  CHECK(recorder.taker.refused() == 7);
  CHECK(recorder.verify().sound());
}

TEST_CASE("a flood of garbage is cleared in bounded steps, and one of requests grows the ledger slowly", "[request]") {
  Recorder recorder;
  fs::create_directory(recorder.requests);
  for (int i = 0; i < 6000; i++) write_file(recorder.requests + "/g" + std::to_string(i), {1});
  recorder.clock.turn(kNanosecondsPerSecond);
  for (int i = 0; i < 10; i++) {
    recorder.taker.take();
    recorder.clock.turn(6 * kNanosecondsPerSecond);
  }
  CHECK(fs::is_empty(recorder.requests));
  CHECK(recorder.taker.refused() == 6000);

  const auto bytes = serialise_request(some_custody());
  for (int i = 0; i < 2000; i++) write_file(recorder.requests + "/r" + std::to_string(i), bytes);
  for (int i = 0; i < 100; i++) recorder.taker.take();
  const uint64_t at_once = recorder.taker.taken();
  CHECK(at_once <= 600);
  CHECK(at_once >= 500);
  recorder.clock.turn(20 * kNanosecondsPerSecond);
  for (int i = 0; i < 100; i++) recorder.taker.take();
  CHECK(recorder.taker.taken() - at_once == 40);
  CHECK(contents_of<Custody>(recorder.store).size() == recorder.taker.taken());
}

TEST_CASE("a pin that is refused is in the ledger with the reason, and pins nothing", "[request]") {
  Recorder recorder;
  recorder.pin_result = fail("too much");
  REQUIRE(hand_over(system_files(), recorder.store, {Pin{7, true, 12, Uuid{4}, "somebody@here", "case 17"}}));
  recorder.taker.take();
  const auto pins = contents_of<Pin>(recorder.store);
  REQUIRE(pins.size() == 1);
  CHECK(!pins[0].pinned);
  CHECK(pins[0].reason.find("too much") != std::string::npos);
  CHECK(pins[0].reason.find("case 17") != std::string::npos);
  CHECK(pins[0].who.starts_with("somebody@here (uid "));
  CHECK(recorder.verify().pinned == 0);
}

TEST_CASE("what is pinned outlives the ring's turns and a restart, until it is let go", "[request][ring]") {
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.ring_bytes_max = 20 << 20;
  options.evidence.key = std::make_shared<const SigningKey>(SigningKey::generate());
  const std::string& store = options.directories.front();
  const auto packets = noise(91, 10000);  // 15 MB
  write_store(options, packets);
  const auto segments = packet_segments(store);
  REQUIRE(segments.size() > 3);
  const StoredSegment pinned = segments[1], other = segments[0];
  REQUIRE(hand_over(system_files(), store, {pin_of(pinned)}));
  for (uint64_t run = 1; run < 4; run++) write_store(options, packets, 0, run * packets.size());
  CHECK(!is_there(store, other.sequence));
  CHECK(is_there(store, pinned.sequence));

  VerifyOptions verify;
  verify.directories = {store};
  verify.fingerprint = options.evidence.key->fingerprint();
  auto report = verify_store(system_files(), verify);
  REQUIRE(report);
  CHECK(report->sound());
  CHECK(report->pinned == 1);

  REQUIRE(hand_over(system_files(), store, {pin_of(pinned, false)}));
  for (uint64_t run = 4; run < 7; run++) write_store(options, packets, 0, run * packets.size());
  CHECK(!is_there(store, pinned.sequence));
  report = verify_store(system_files(), verify);
  REQUIRE(report);
  CHECK(report->sound());
  CHECK(report->pinned == 0);
}

TEST_CASE("pins fill half of the ring and no more; the rest goes on turning", "[request][ring]") {
  TemporaryDirectory directory;
  StoreOptions options = small_store(directory.path("store"));
  options.ring_bytes_max = 20 << 20;
  options.evidence.key = std::make_shared<const SigningKey>(SigningKey::generate());
  const std::string& store = options.directories.front();
  const auto packets = noise(92, 10000);
  write_store(options, packets);
  std::vector<LedgerContent> all;
  uint64_t bytes = 0;
  for (const StoredSegment& segment : packet_segments(store)) {
    all.emplace_back(pin_of(segment));
    bytes += fs::file_size(segment.path);
  }
  REQUIRE(bytes > options.ring_bytes_max / 2);
  REQUIRE(hand_over(system_files(), store, all));
  for (uint64_t run = 1; run < 4; run++) write_store(options, packets, 0, run * packets.size());
  uint64_t kept = 0, refused = 0;
  for (const Pin& pin : contents_of<Pin>(store)) {
    if (pin.pinned) {
      CHECK(is_there(store, pin.sequence));
      kept++;
    } else {
      CHECK(pin.reason.find("half of the ring") != std::string::npos);
      refused++;
    }
  }
  CHECK(kept > 0);
  CHECK(refused > 0);
  CHECK(kept + refused == all.size());
}
