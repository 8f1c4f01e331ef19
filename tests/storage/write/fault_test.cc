// A store on a disk that fails: each call once, for a moment, or for as long as it takes; and power cuts.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include "storage/query/extract.h"
#include "storage/query/presence.h"
#include "storage/query/store_history.h"
#include "storage/read/segment_reader.h"
#include "storage/write/stepped_store.h"
#include "storage/write/store_opening.h"
#include "tests/storage/store_support.h"
#include "tests/support/simulated_files.h"
#include "tests/support/turned_clock.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

using Operation = SimulatedFiles::Operation;

const std::string kDirectory = "/store";
constexpr size_t kPackets = 60, kFramePackets = 10;

StoreOptions simulated_store(SimulatedFiles& files, Clock& clock) {
  StoreOptions options = small_store(kDirectory);
  options.reference_memory_bytes = 0;
  options.files = &files;
  options.clock = &clock;
  options.seed = 1;
  return options;
}

struct Outcome {
  bool opened = false;
  uint64_t stored = 0;
  Result<void> result;  // the first failure
};

// A run from opening to closing.
Outcome run(SimulatedFiles& files, Clock& clock, const std::vector<QueryPacket>& packets) {
  Outcome outcome;
  auto store = Store::open(simulated_store(files, clock), false);
  if (!store) {
    outcome.result = pass_on(store);
    return outcome;
  }
  outcome.opened = true;
  write_packets(**store, packets, 1, kFramePackets);
  outcome.result = (*store)->settle();
  const StoreCounts counts = (*store)->worker(0).counts();
  CHECK(counts.pending == 0);
  CHECK(counts.added == counts.stored + counts.dropped_failed + counts.dropped_queue_full);
  outcome.stored = counts.stored;
  if (auto closed = (*store)->close(); outcome.result) outcome.result = closed;
  return outcome;
}

RecordBatch end_of_run() {
  RunRecord end;
  end.ended = true;
  RecordBatch batch;
  batch.append(end);
  return batch;
}

// The store of a run that was killed after its last frame was written.
std::unique_ptr<SimulatedFiles> killed_run(Clock& clock, const std::vector<QueryPacket>& packets) {
  SimulatedFiles files;
  auto store = Store::open(simulated_store(files, clock), false);
  REQUIRE(store);
  write_packets(**store, packets, 1, kFramePackets);
  REQUIRE((*store)->settle());
  auto killed = files.copy();
  REQUIRE((*store)->close());
  return killed;
}

struct Read {
  std::vector<uint64_t> packets_by_run;
  ReadStatistics statistics;
  Result<void> result;
};

// Reads everything; what comes must be what was written. A run begins where ordinals begin again.
Read read_all(SimulatedFiles& files, const std::vector<QueryPacket>& packets) {
  Read read;
  auto reader = StoreReader::open({kDirectory}, files);
  if (!reader) {
    read.result = pass_on(reader);
    return read;
  }
  uint64_t next_ordinal = UINT64_MAX;
  auto statistics = (*reader)->packets({}, [&](const StoredPacket& stored) {
    if (stored.packet.ordinal < next_ordinal) read.packets_by_run.push_back(0);
    next_ordinal = stored.packet.ordinal + 1;
    read.packets_by_run.back()++;
    const QueryPacket& written = packets.at(stored.packet.ordinal);
    const auto bytes = stored.packet.bytes();
    REQUIRE(std::equal(bytes.begin(), bytes.end(), written.bytes.begin(), written.bytes.end()));
    REQUIRE(stored.packet.timestamp_ns == written.timestamp_ns);
    return true;
  });
  if (!statistics) {
    read.result = pass_on(statistics);
  } else {
    read.statistics = std::move(*statistics);
  }
  return read;
}

// `failed` gets the call.
SimulatedFiles::Fault fail_call(uint64_t number, int code, size_t bytes_written = 0,
                                SimulatedFiles::Call* failed = nullptr) {
  return [=](const SimulatedFiles::Call& call) {
    if (call.number != number) return SimulatedFiles::Outcome{};
    if (failed != nullptr) *failed = call;
    return SimulatedFiles::Outcome{code, bytes_written};
  };
}

}  // namespace

TEST_CASE("whichever call fails once, recovering and recording lose nothing unsaid", "[store][fault]") {
  const auto [code, bytes_written] =
      GENERATE(table<int, size_t>({{EIO, 0}, {EIO, 100}, {ENOSPC, 100}, {EROFS, 0}, {EACCES, 0}}));
  TurnedClock clock;
  const auto packets = repeating_traffic(70, kPackets);
  const auto killed = killed_run(clock, packets);
  clock.turn(kNanosecondsPerSecond);
  uint64_t failures = 0, costly = 0, number = 0;
  for (bool reached = true; reached; number++) {
    INFO("errno " << code << " at call " << number);
    const auto files = killed->copy();
    SimulatedFiles::Call failed;
    files->set_fault(fail_call(number, code, bytes_written, &failed));
    const Outcome outcome = run(*files, clock, packets);
    reached = files->calls() > number;
    failures += !outcome.result;
    files->set_fault(nullptr);
    // A frame in the middle of a segment is lost with the call. All else that recording does is tried again, in another
    // segment.
    if (outcome.opened && outcome.stored != kPackets) {
      costly++;
      INFO("it was operation " << static_cast<int>(failed.operation) << " on " << failed.path);
      REQUIRE(failed.operation == Operation::kWrite);
      REQUIRE(failed.path.find(".gtp") != std::string::npos);
      REQUIRE(!outcome.result);
    }
    const Read read = read_all(*files, packets);
    REQUIRE(read.result);
    REQUIRE(!read.packets_by_run.empty());
    // Only a full disk may make the older run give way.
    if (code != ENOSPC) REQUIRE(read.packets_by_run.front() == kPackets);
    const uint64_t newer = read.packets_by_run.size() > 1 || code == ENOSPC ? read.packets_by_run.back() : 0;
    REQUIRE(newer >= outcome.stored);
    if (outcome.result) {
      REQUIRE(newer == kPackets);
    } else {
      const int said = outcome.result.error().code;
      REQUIRE((said == code || (code == ENOSPC && said == EIO)));
      REQUIRE(outcome.result.error().message.find(kDirectory) != std::string::npos);
    }
  }
  CHECK(number > 30);
  CHECK(failures > 3);  // at opening, and in sealing and syncing
  CHECK((costly > 0) == (code != ENOSPC));
}

TEST_CASE("a read that fails is said, and is not taken for the end of a file", "[store][fault]") {
  TurnedClock clock;
  const auto packets = repeating_traffic(71, kPackets);
  const bool sealed = GENERATE(false, true);
  std::unique_ptr<SimulatedFiles> store = killed_run(clock, packets);
  if (sealed) REQUIRE(run(*store, clock, packets).result);  // recovers and seals what there is, and adds a run
  const Read whole = read_all(*store, packets);
  uint64_t number = 0, incomplete = 0;
  for (bool reached = true; reached; number++) {
    INFO("call " << number);
    store->set_fault(fail_call(number, EIO));
    const Read read = read_all(*store, packets);
    reached = store->calls() > number;
    if (!read.result) {
      REQUIRE(read.result.error().code == EIO);
    } else if (read.packets_by_run != whole.packets_by_run) {
      incomplete++;
      REQUIRE(read.statistics.frames_damaged > 0);
      REQUIRE(read.statistics.damage.front().find("Input/output error") != std::string::npos);
    }
  }
  CHECK(incomplete > 3);
}

TEST_CASE("after a power cut a closed store is whole, and an open one holds nothing wrong", "[store][fault]") {
  TurnedClock clock;
  const auto packets = repeating_traffic(72, kPackets);
  SimulatedFiles files;
  REQUIRE(run(files, clock, packets).result);
  files.cut_power(1);
  CHECK(read_all(files, packets).packets_by_run == std::vector<uint64_t>{kPackets});

  for (uint64_t seed = 0; seed < 100; seed++) {
    INFO("seed " << seed);
    SimulatedFiles cut;
    auto store = Store::open(simulated_store(cut, clock), false);
    REQUIRE(store);
    write_packets(**store, packets, 1, kFramePackets);
    REQUIRE((*store)->settle());
    const auto crashed = cut.copy();
    REQUIRE((*store)->close());
    // The copy has synced all that it has: write on, and lose some of that.
    clock.turn(kNanosecondsPerSecond);
    auto next = Store::open(simulated_store(*crashed, clock), false);
    REQUIRE(next);
    write_packets(**next, packets, 1, kFramePackets);
    REQUIRE((*next)->settle());
    crashed->cut_power(seed);
    (void)(*next)->close();  // writes into files that nobody finds any more
    clock.turn(kNanosecondsPerSecond);
    REQUIRE(run(*crashed, clock, packets).result);
    const Read read = read_all(*crashed, packets);
    REQUIRE(read.result);
    REQUIRE(read.packets_by_run.front() == kPackets);
    REQUIRE(read.packets_by_run.back() == kPackets);
  }
}

TEST_CASE("while the disk hangs packets are dropped and counted, and nobody waits", "[store][fault]") {
  TurnedClock clock;
  SimulatedFiles files;
  auto store = Store::open(simulated_store(files, clock), true);
  REQUIRE(store);
  std::atomic<bool> hangs{true};
  files.set_fault([&](const SimulatedFiles::Call& call) {
    if (call.operation == Operation::kWrite) hangs.wait(true);
    return SimulatedFiles::Outcome{};
  });
  QueryPacket big = repeating_traffic(73, 1).front();
  big.bytes.resize(60'000, 0x55);
  DecodedPacket decoded;
  const Packet packet = packet_of(big, 0);
  decode(packet, decoded);
  StoreWorker& worker = (*store)->worker(0);
  for (int i = 0; i < 10'000 && worker.counts().dropped_queue_full == 0; i++) worker.add(packet, decoded, {});
  CHECK(worker.counts().dropped_queue_full > 0);
  CHECK(worker.counts().stored == 0);
  hangs = false;
  hangs.notify_all();
  worker.flush();
  REQUIRE((*store)->settle());
  const StoreCounts counts = worker.counts();
  CHECK(counts.pending == 0);
  CHECK(counts.added == counts.stored + counts.dropped_queue_full);
  REQUIRE((*store)->close());
}

TEST_CASE("a directory that hangs holds up the workers whose packets belong there, and no others", "[store][fault]") {
  TurnedClock clock;
  SimulatedFiles files;
  StoreOptions options = simulated_store(files, clock);
  options.directories = {"/calm", "/hanging"};
  options.workers = 2;
  options.segment_raw_bytes_max = 1;  // each frame ends its segment; nothing but sealing syncs one
  auto store = Store::open(options, true);
  REQUIRE(store);
  std::atomic<bool> hangs{true};
  std::atomic<uint64_t> sealed{0};
  files.set_fault([&](const SimulatedFiles::Call& call) {
    if (call.path.starts_with("/hanging/")) hangs.wait(true);
    if (call.operation == Operation::kSync && call.path.ends_with("-full.gtp")) sealed++;
    return SimulatedFiles::Outcome{};
  });
  write_packets(**store, repeating_traffic(74, kPackets), 2, 5);
  StoreWorker &held_up = (*store)->worker(1), &worker = (*store)->worker(0);
  while (worker.counts().pending != 0) std::this_thread::yield();
  CHECK(worker.counts().stored == kPackets / 2);
  while (sealed == 0) std::this_thread::yield();
  CHECK(held_up.counts().stored == 0);
  hangs = false;
  hangs.notify_all();
  REQUIRE((*store)->settle());
  CHECK(held_up.counts().stored == kPackets / 2);
  REQUIRE((*store)->close());
}

TEST_CASE("a disk that fails for a while costs the packets of that time, and nothing that was sealed",
          "[store][fault]") {
  const auto [operation, code] = GENERATE(
      table<Operation, int>({{Operation::kWrite, EIO}, {Operation::kWrite, EROFS}, {Operation::kStatus, ENOENT}}));
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(74, kPackets);
  REQUIRE(run(files, clock, packets).result);
  clock.turn(kNanosecondsPerSecond);
  auto store = Store::open(simulated_store(files, clock), false);
  REQUIRE(store);
  StoreWorker& worker = (*store)->worker(0);
  const auto write = [&] {
    DecodedPacket decoded;
    for (size_t i = 0; i < packets.size(); i++) {
      const Packet packet = packet_of(packets[i], i);
      decode(packet, decoded);
      worker.add(packet, decoded, {});
    }
    worker.flush();
    (void)(*store)->settle();
  };
  files.set_fault([=](const SimulatedFiles::Call& call) {
    return SimulatedFiles::Outcome{call.operation == operation ? code : 0, 0};
  });
  for (int i = 0; i < 3; i++) write();
  const StoreCounts failed = worker.counts();
  CHECK(failed.stored == 0);
  CHECK(failed.dropped_failed == 3 * kPackets);
  CHECK((*store)->status().error().code == code);
  files.set_fault(nullptr);
  clock.turn(60 * kNanosecondsPerSecond);  // it is tried again
  // The writing thread looks at the disk again within a tenth of a second.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (worker.counts().stored == 0 && std::chrono::steady_clock::now() < deadline) write();
  CHECK(worker.counts().stored > 0);
  const uint64_t stored = worker.counts().stored;
  CHECK_FALSE((*store)->close());
  const Read read = read_all(files, packets);
  REQUIRE(read.result);
  CHECK(read.packets_by_run.front() == kPackets);
  CHECK(std::accumulate(read.packets_by_run.begin() + 1, read.packets_by_run.end(), uint64_t{0}) == stored);
}

TEST_CASE("a sealed segment with a damaged trailer is left as it is", "[store][fault]") {
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(75, kPackets);
  REQUIRE(run(files, clock, packets).result);
  const auto damage = [&](const std::string& path, uint64_t from_end) {
    auto file = files.open_to_change(path);
    const uint64_t at = (*file)->status()->bytes - from_end;
    std::vector<uint8_t> byte(1);
    REQUIRE((*file)->read_at(at, byte));
    byte[0] ^= 1;
    REQUIRE((*file)->write_at(at, byte));
  };
  const auto content = [&](const std::string& path) {
    auto file = files.open_to_read(path);
    std::vector<uint8_t> bytes((*file)->status()->bytes);
    REQUIRE((*file)->read_at(0, bytes));
    return bytes;
  };
  const bool frame_too = GENERATE(false, true);
  std::map<std::string, std::vector<uint8_t>> before;
  const auto names = files.list(kDirectory);
  REQUIRE(names);
  for (const std::string& name : *names) {
    const std::string path = kDirectory + "/" + name;
    if (!name.ends_with(".gtp")) continue;
    auto segment = SegmentReader::open(files, path, [](const std::string&, uint64_t, const char*) {});
    REQUIRE(segment);
    const uint64_t last_frame = (*segment)->frames().back().offset;
    damage(path, 20);
    if (frame_too) damage(path, (*segment)->file_bytes() - last_frame - 60);
    before[path] = content(path);
  }
  REQUIRE(!before.empty());
  clock.turn(kNanosecondsPerSecond);
  REQUIRE(run(files, clock, packets).result);
  for (const auto& [path, bytes] : before) CHECK(content(path) == bytes);
  if (frame_too) return;
  CHECK(read_all(files, packets).packets_by_run == std::vector<uint64_t>{kPackets, kPackets});
}

TEST_CASE("what a sync did not confirm is counted at once, and known to every later reader", "[store][fault]") {
  const Operation failing = GENERATE(Operation::kSync, Operation::kSyncDirectory);
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(76, kPackets);
  {
    auto store = Store::open(simulated_store(files, clock), false);
    REQUIRE(store);
    write_packets(**store, packets, 1, kFramePackets);
    REQUIRE((*store)->settle());
    files.set_fault([&](const SimulatedFiles::Call& call) {
      const bool of_packets = call.path == kDirectory || call.path.find(".gtp") != std::string::npos;
      return SimulatedFiles::Outcome{call.operation == failing && of_packets ? EIO : 0, 0};
    });
    const auto closed = (*store)->close(end_of_run());
    REQUIRE(!closed);
    CHECK(closed.error().code == EIO);
    const StoreCounts counts = (*store)->worker(0).counts();
    CHECK(counts.stored == kPackets);
    CHECK(counts.not_synced == kPackets);
  }
  files.set_fault(nullptr);
  clock.turn(kNanosecondsPerSecond);
  REQUIRE(run(files, clock, packets).result);
  auto reader = StoreReader::open({kDirectory}, files);
  REQUIRE(reader);
  Presence presence;
  uint64_t unsafe = 0;
  REQUIRE((*reader)->records({}, [&](const Record& record) {
    if (const auto* failure = std::get_if<SyncFailureRecord>(&record)) {
      unsafe += failure->packets;
      CHECK(failure->error.find("Input/output error") != std::string::npos);
      presence.add(*failure);
    }
    return true;
  }));
  CHECK(unsafe == kPackets);
  uint64_t said = 0;
  for (const Shortfall& shortfall : presence.shortfalls(false)) {
    if (shortfall.code == "not_synced") said += shortfall.count;
  }
  CHECK(said == kPackets);
  CHECK(read_all(files, packets).packets_by_run == std::vector<uint64_t>{kPackets, kPackets});
}

TEST_CASE("a segment that could not be read for a moment is no reason to find nothing in it", "[store][fault]") {
  TurnedClock clock;
  SimulatedFiles files, output;
  REQUIRE(output.make_directories("/out"));
  auto packets = repeating_traffic(78, kPackets);
  for (QueryPacket& packet : packets) {
    packet.bytes.erase(packet.bytes.begin(), packet.bytes.begin() + 14);
    packet.wire_length -= 14;
    packet.link_type = LinkType::kRaw;  // an expression is compiled for the link types that the store is known to have
  }
  StoreOptions options = simulated_store(files, clock);
  for (StoreInterface& interface : options.interfaces) interface.link_type = LinkType::kRaw;
  write_store(options, packets, kFramePackets);
  for (uint64_t failing = 0;; ++failing) {
    CAPTURE(failing);
    uint64_t reads = 0;
    files.set_fault([&](const SimulatedFiles::Call& call) {
      const bool reads_packets = (call.operation == Operation::kOpen || call.operation == Operation::kRead) &&
                                 call.path.find(".gtp") != std::string::npos;
      return SimulatedFiles::Outcome{reads_packets && reads++ == failing ? EIO : 0, 0};
    });
    auto reader = StoreReader::open({kDirectory}, files);
    REQUIRE(reader);
    auto expression = Expression::parse("ip or ip6");
    REQUIRE(expression);
    REQUIRE(expression->compile(link_types_of(*(*reader)->summary())));
    ExtractRequest request;
    request.output.path = "/out/x";
    request.output.files = &output;
    const auto statement = extract(**reader, *expression, request, [] { return false; });
    REQUIRE(statement);
    const bool all_there = statement->packets == kPackets;
    if (reads <= failing) {
      CHECK(all_there);
      break;
    }
    if (all_there) continue;
    const std::vector<Shortfall> all = statement->shortfalls();
    CHECK(std::ranges::any_of(all, [](const Shortfall& s) { return s.code == "damaged" || s.code == "removed"; }));
  }
}

TEST_CASE("a run that is killed in closing has no end, whenever that is", "[store][fault]") {
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(77, kPackets);
  auto store = Store::open(simulated_store(files, clock), false);
  REQUIRE(store);
  write_packets(**store, packets, 1, kFramePackets);
  REQUIRE((*store)->settle());
  std::vector<std::unique_ptr<SimulatedFiles>> killed;
  files.set_fault([&](const SimulatedFiles::Call& call) {
    const bool changes = call.operation == Operation::kWrite || call.operation == Operation::kSync ||
                         call.operation == Operation::kRename || call.operation == Operation::kSyncDirectory;
    if (changes) killed.push_back(files.copy());
    return SimulatedFiles::Outcome{};
  });
  REQUIRE((*store)->close(end_of_run()));
  files.set_fault(nullptr);
  const auto ends_of = [&](SimulatedFiles& at) {
    auto reader = StoreReader::open({kDirectory}, at);
    REQUIRE(reader);
    size_t ends = 0;
    REQUIRE((*reader)->records({}, [&](const Record& record) {
      const auto* run = std::get_if<RunRecord>(&record);
      ends += run != nullptr && run->ended;
      return true;
    }));
    return ends;
  };
  CHECK(ends_of(files) == 1);
  size_t without = 0;
  for (const auto& at : killed) {
    if (ends_of(*at) == 0) {
      without++;
      continue;
    }
    auto reader = StoreReader::open({kDirectory}, *at);
    const auto segments = (*reader)->segments();
    REQUIRE(segments);
    for (const StoredSegment& segment : *segments) REQUIRE(segment.sealed);
  }
  CHECK(without > 7);  // four streams, each written and synced
}

TEST_CASE("a directory that fails at the start is left out, and the run ends with its error", "[store][fault]") {
  const Operation failing = GENERATE(Operation::kLock, Operation::kMakeDirectories, Operation::kList);
  const std::string broken = GENERATE("/one", "/two"), other = broken == "/one" ? "/two" : "/one";
  TurnedClock clock;
  SimulatedFiles files;
  StoreOptions options = simulated_store(files, clock);
  options.directories = {"/one", "/two"};
  options.workers = 2;
  files.set_fault([&](const SimulatedFiles::Call& call) {
    return SimulatedFiles::Outcome{call.operation == failing && call.path.starts_with(broken) ? EIO : 0, 0};
  });
  const auto packets = repeating_traffic(78, kPackets);
  auto store = Store::open(options, false);
  REQUIRE(store);
  write_packets(**store, packets, 2, kFramePackets);
  const auto settled = (*store)->settle();
  REQUIRE(!settled);
  CHECK(settled.error().code == EIO);
  CHECK((*store)->worker(0).counts().stored + (*store)->worker(1).counts().stored == kPackets);
  CHECK_FALSE((*store)->close());
  files.set_fault(nullptr);
  const auto names = files.list(other);
  REQUIRE(names);
  CHECK(std::ranges::count_if(*names, [](const std::string& name) { return name.ends_with(".gtp"); }) >= 2);
  auto reader = StoreReader::open({other}, files);
  REQUIRE(reader);
  CHECK((*reader)->packets({}, [](const StoredPacket&) { return true; })->packets_visited == kPackets);
}

TEST_CASE("a directory that was left out at the start is used once it can be", "[store][fault]") {
  const Operation failing = GENERATE(Operation::kLock, Operation::kMakeDirectories, Operation::kList);
  TurnedClock clock;
  SimulatedFiles files;
  StoreOptions options = simulated_store(files, clock);
  options.directories = {"/one", "/two"};
  options.workers = 2;
  options.segment_raw_bytes_max = 1;  // each frame is a segment
  const auto packets = repeating_traffic(79, kPackets);
  {
    auto store = Store::open(options, false);
    REQUIRE(store);
    write_packets(**store, packets, 2, kFramePackets);
    REQUIRE((*store)->close());
  }
  const auto segments_in = [&](const std::string& directory) {
    const auto names = files.list(directory);
    REQUIRE(names);
    return std::ranges::count_if(*names, [](const std::string& name) { return name.ends_with(".gtp"); });
  };
  const auto before = segments_in("/two");
  REQUIRE(before > 0);
  std::atomic<bool> broken{true};
  files.set_fault([&](const SimulatedFiles::Call& call) {
    const bool hit = broken && call.operation == failing && call.path.starts_with("/two");
    return SimulatedFiles::Outcome{hit ? EIO : 0, 0};
  });
  auto store = Store::open(options, false);
  REQUIRE(store);
  const auto write_some = [&] {
    write_packets(**store, packets, 2, kFramePackets);
    CHECK_FALSE((*store)->settle());  // the first failure stays
  };
  write_some();
  CHECK(segments_in("/one") > 0);
  clock.turn(kNanosecondsPerSecond * 2);
  write_some();
  broken = false;
  CHECK(segments_in("/two") == before);
  clock.turn(kNanosecondsPerSecond * 10);
  write_some();
  CHECK(segments_in("/two") > before);
  CHECK((*store)->worker(0).counts().stored + (*store)->worker(1).counts().stored == 3 * kPackets);
  CHECK_FALSE((*store)->close());
  store->reset();
  files.set_fault(nullptr);
  std::set<std::string> numbers;
  for (const std::string directory : {"/one", "/two"}) {
    const auto names = files.list(directory);
    REQUIRE(names);
    for (const std::string& name : *names) {
      if (name.find(".gt") != std::string::npos) CHECK(numbers.insert(name.substr(0, 12)).second);
    }
  }
  auto reader = StoreReader::open(options.directories, files);
  REQUIRE(reader);
  CHECK((*reader)->packets({}, [](const StoredPacket&) { return true; })->packets_visited == 4 * kPackets);
}

TEST_CASE("a ledger that cannot be written fails the run, one that could for a moment not does not", "[store][fault]") {
  const auto failing = GENERATE(Operation::kWrite, Operation::kSync, Operation::kCreate);
  const bool passes = failing != Operation::kCreate && GENERATE(false, true);
  CAPTURE(failing, passes);
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(80, kPackets);
  std::atomic<bool> broken{failing == Operation::kCreate};
  files.set_fault([&](const SimulatedFiles::Call& call) {
    const bool hit = broken && call.operation == failing && call.path.find("/ledger") != std::string::npos;
    return SimulatedFiles::Outcome{hit ? EIO : 0, 0};
  });
  StoreOptions options = simulated_store(files, clock);
  options.segment_raw_bytes_max = 1;
  auto store = Store::open(options, false);
  REQUIRE(store);
  broken = true;
  write_packets(**store, packets, 1, kFramePackets);
  (void)(*store)->settle();
  CHECK((*store)->worker(0).counts().stored == kPackets);
  if (passes) broken = false;
  CHECK((*store)->close(end_of_run()).has_value() == passes);
  store->reset();
  files.set_fault(nullptr);
  CHECK(read_all(files, packets).packets_by_run == std::vector<uint64_t>{kPackets});
}

TEST_CASE("a segment that could not be sealed is sealed later in the run", "[store][fault]") {
  const int code = GENERATE(EIO, EROFS);
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(81, kPackets);
  StoreOptions options = simulated_store(files, clock);
  options.segment_raw_bytes_max = 1;
  auto store = SteppedStore::open(options, true);
  REQUIRE(store);
  write_packets(**store, packets, 1, kFramePackets);
  while ((*store)->step_writing()) {
  }
  // Sealing is what opens a file that is there already.
  files.set_fault([&](const SimulatedFiles::Call& call) {
    const bool hit = call.operation == Operation::kOpen && call.path.ends_with(".gtp");
    return SimulatedFiles::Outcome{hit ? code : 0, 0};
  });
  while ((*store)->step_sealing()) {
  }
  files.set_fault(nullptr);
  const auto sealed = [&] {
    const StoreHistory history = read_history(files, {kDirectory});
    return std::ranges::count_if(history.segments, [](const StoreHistory::Segment& segment) {
      return segment.facts.kind == SegmentKind::kPackets;
    });
  };
  (void)(*store)->step_syncing();
  CHECK(sealed() == 0);
  clock.turn(kNanosecondsPerSecond * 5);
  (void)(*store)->step_syncing();
  CHECK(sealed() >= static_cast<int>(kPackets / kFramePackets) - 1);  // the newest is open
  CHECK_FALSE((*store)->close());                                     // the failure stays
  CHECK(sealed() == static_cast<int>(kPackets / kFramePackets));
}

TEST_CASE("a lack of room that passes at once evicts nothing, and a read never lacks room", "[store][fault]") {
  const auto operation = GENERATE(Operation::kWrite, Operation::kCreate, Operation::kRead);
  const int code = GENERATE(ENOSPC, EDQUOT);
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(77, kPackets);
  REQUIRE(run(files, clock, packets).result);
  clock.turn(kNanosecondsPerSecond);
  std::atomic<int> met{0};
  files.set_fault([&, operation, code](const SimulatedFiles::Call& call) {
    const bool hit = call.operation == operation && call.path.find(".gt") != std::string::npos && met++ == 0;
    return SimulatedFiles::Outcome{hit ? code : 0, 0};
  });
  (void)run(files, clock, packets);
  CHECK(met > 0);
  files.set_fault(nullptr);
  CHECK(read_all(files, packets).packets_by_run.front() == kPackets);
}

TEST_CASE("a file whose status is refused at the start counts in the ring all the same", "[store][fault]") {
  TurnedClock clock;
  SimulatedFiles files;
  const auto packets = repeating_traffic(78, kPackets);
  REQUIRE(run(files, clock, packets).result);
  uint64_t there = 0;
  files.for_each_file(kDirectory, [&](const std::string& path, uint64_t bytes) {
    there += path.find(".gt") != std::string::npos ? bytes : 0;
  });
  files.set_fault([](const SimulatedFiles::Call& call) {
    const bool hit = call.operation == Operation::kStatus && call.path.find(".gt") != std::string::npos;
    return SimulatedFiles::Outcome{hit ? EIO : 0, 0};
  });
  const auto stock = take_stock(files, {kDirectory});
  REQUIRE(stock);
  uint64_t counted = 0;
  for (const Ring::Segment& segment : stock->segments) counted += segment.bytes;
  CHECK(counted == there);
}

TEST_CASE("the directory with the ledger stays the first", "[store][fault]") {
  TurnedClock clock;
  SimulatedFiles files;
  StoreOptions options = simulated_store(files, clock);
  options.directories = {"/one", "/two"};
  {
    auto store = Store::open(options, false);
    REQUIRE(store);
    REQUIRE((*store)->close());
  }
  options.directories = {"/two", "/one"};
  const auto swapped = Store::open(options, false);
  REQUIRE_FALSE(swapped);
  CHECK(swapped.error().message.find("/one: this directory has the store's ledger") == 0);
  options.directories = {"/one", "/two"};
  CHECK(Store::open(options, false));
}
