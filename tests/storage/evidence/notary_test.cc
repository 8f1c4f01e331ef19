// Tests what the notary signs, and what it refuses to go on with.
#include "storage/evidence/notary.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/storage/store_support.h"
#include "tests/support/turned_clock.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

struct Sensor {
  TemporaryDirectory directory;
  TurnedClock clock;
  std::shared_ptr<const SigningKey> key = std::make_shared<SigningKey>(SigningKey::generate());
  std::vector<std::string> handed_out;
  std::vector<PresentSegment> present;

  std::string store() const { return directory.path("."); }
  std::string path() const { return ledger_path(store()); }

  std::unique_ptr<Notary> start(uint8_t run = 1) {
    EvidenceOptions options;
    options.key = key;
    options.hand_out = [this](const std::string& note) { handed_out.push_back(note); };
    auto notary = Notary::open(system_files(), store(), std::move(options), Uuid{static_cast<uint8_t>(run + 100)},
                               Uuid{run}, present, clock);
    REQUIRE(notary);
    return std::move(*notary);
  }

  std::vector<LedgerEntry> entries() const {
    std::vector<LedgerEntry> all;
    REQUIRE(read_ledger(
        system_files(), path(), [&](const LedgerEntry& entry) { all.push_back(entry); },
        [](uint64_t offset, const std::string& what) { FAIL("offset " << offset << ": " << what); }));
    return all;
  }
};

SegmentSealed some_segment(uint64_t sequence) {
  SegmentSealed sealed;
  sealed.segment.sequence = sequence;
  return sealed;
}

std::vector<LedgerType> types_of(const std::vector<LedgerEntry>& entries) {
  std::vector<LedgerType> types;
  for (const LedgerEntry& entry : entries) types.push_back(entry.header.type);
  return types;
}

// Each checkpoint covers exactly the leaves before it, and is signed by that key.
void require_signed(const std::vector<LedgerEntry>& entries, const Ed25519Key& key) {
  MerkleTree tree;
  uint64_t covered = 0;
  for (const LedgerEntry& entry : entries) {
    if (entry.header.is_leaf()) tree.add(entry.leaf);
    const auto* checkpoint = std::get_if<Checkpoint>(&entry.content);
    if (checkpoint == nullptr) continue;
    const auto note = SignedNote::parse(checkpoint->note);
    REQUIRE(note);
    CHECK(note->checkpoint.tree_size == tree.size());
    CHECK(note->checkpoint.root == tree.root());
    const auto* signature = note->by(key);
    REQUIRE(signature != nullptr);
    CHECK(verify_signature(key, note->signed_text, signature->signature));
    covered = tree.size();
  }
  CHECK(covered == tree.size());
}

bool set_aside(const std::string& directory) {
  const auto names = system_files().list(directory);
  REQUIRE(names);
  return std::any_of(names->begin(), names->end(),
                     [](const std::string& name) { return name.starts_with("ledger.set-aside-"); });
}

}  // namespace

TEST_CASE("a run is signed when it begins, at each seal, at the interval, and at its end", "[notary]") {
  Sensor sensor;
  auto notary = sensor.start();
  notary->sealed(some_segment(1));
  notary->evicted({some_segment(1).segment}, EvictionReason::kRingFull);
  CHECK(sensor.handed_out.size() == 2);
  notary->tick();
  CHECK(sensor.handed_out.size() == 2);
  sensor.clock.turn(60 * kNanosecondsPerSecond);
  notary->tick();
  CHECK(sensor.handed_out.size() == 3);
  sensor.clock.turn(60 * kNanosecondsPerSecond);
  notary->tick();  // nothing is new: handed out, but not in the ledger
  CHECK(sensor.handed_out.size() == 4);
  REQUIRE(notary->end(0, {}));
  using enum LedgerType;
  CHECK(types_of(sensor.entries()) == std::vector<LedgerType>{kKeyIntroduced, kRunStarted, kCheckpoint, kSegmentSealed,
                                                              kCheckpoint, kSegmentEvicted, kCheckpoint, kRunEnded,
                                                              kCheckpoint});
  require_signed(sensor.entries(), sensor.key->public_key());
  const auto last = SignedNote::parse(sensor.handed_out.back());
  REQUIRE(last);
  CHECK(last->checkpoint.tree_size == 5);
}

TEST_CASE("the next run goes on with the ledger, and says what it found unsigned", "[notary]") {
  Sensor sensor;
  {
    auto notary = sensor.start();
    notary->append(some_segment(1));
  }  // killed
  sensor.start(2);
  CHECK(!set_aside(sensor.store()));
  const auto entries = sensor.entries();
  const auto& started = std::get<RunStarted>(entries[entries.size() - 2].content);
  CHECK(fact(started.facts, "unsigned_leaves") == "2 3");
  require_signed(entries, sensor.key->public_key());
}

TEST_CASE("what a killed run left sealed and unlisted is named, what no run of the ledger wrote is not", "[notary]") {
  Sensor sensor;
  SegmentSealed listed = some_segment(1);
  listed.segment.uuid = Uuid{1};
  {
    auto ended = sensor.start(1);
    REQUIRE(ended->end(0, {}));
    auto killed = sensor.start(2);
    killed->sealed(listed);
  }
  sensor.present = {{"listed", Uuid{1}, Uuid{2}},
                    {"unlisted", Uuid{2}, Uuid{2}},
                    {"after a clean end", Uuid{3}, Uuid{1}},
                    {"foreign", Uuid{4}, Uuid{9}}};
  const auto notary = sensor.start(3);
  REQUIRE(notary->unlisted().size() == 1);
  CHECK(notary->unlisted().front().path == "unlisted");
  REQUIRE(notary->listed().size() == 1);
  CHECK(notary->listed().at("listed") == listed.segment);
}

TEST_CASE("a key that the old one endorsed goes on with the ledger; another sets it aside", "[notary]") {
  Sensor sensor;
  sensor.start();
  const Ed25519Key first = sensor.key->public_key();
  sensor.key = std::make_shared<SigningKey>(sensor.key->successor().successor());
  sensor.start(2);
  CHECK(!set_aside(sensor.store()));
  std::vector<KeyIntroduced> keys;
  for (const LedgerEntry& entry : sensor.entries()) {
    if (const auto* key = std::get_if<KeyIntroduced>(&entry.content)) keys.push_back(*key);
  }
  REQUIRE(keys.size() == 3);
  CHECK(keys[0].key == first);
  CHECK(keys[1].previous == first);
  CHECK(keys[2].previous == keys[1].key);
  CHECK(keys[2].key == sensor.key->public_key());
  for (size_t i = 1; i < keys.size(); i++) {
    CHECK(KeyEndorsement{keys[i].key, keys[i].previous, keys[i].endorsement}.verified());
  }

  sensor.key = std::make_shared<SigningKey>(SigningKey::generate());
  sensor.start(3);
  CHECK(set_aside(sensor.store()));
  require_signed(sensor.entries(), sensor.key->public_key());
}

TEST_CASE("a ledger that was tampered with is kept, but not signed on", "[notary]") {
  for (const std::string what : {"a flipped bit", "a forged entry", "never signed"}) {
    CAPTURE(what);
    Sensor sensor;
    if (what == "never signed") {
      auto writer = LedgerWriter::create(system_files(), sensor.store(), {});
      REQUIRE(writer);
      REQUIRE((*writer)->append(some_segment(1)));
    } else {
      auto notary = sensor.start();
      notary->sealed(some_segment(1));
    }
    std::vector<uint8_t> bytes = read_file(sensor.path());
    if (what == "a flipped bit") bytes[bytes.size() / 2] ^= 4;
    if (what == "a forged entry") {
      // The holder of the disk writes the whole file anew, with another segment and the old signatures.
      const auto entries = sensor.entries();
      const auto header = LedgerHeader::parse(bytes);
      REQUIRE(system_files().remove(sensor.path()));
      auto writer = LedgerWriter::create(system_files(), sensor.store(), *header);
      for (LedgerEntry entry : entries) {
        if (auto* sealed = std::get_if<SegmentSealed>(&entry.content)) sealed->segment.packets++;
        REQUIRE((*writer)->append(entry.content));
      }
      bytes = read_file(sensor.path());
    }
    write_file(sensor.path(), bytes);
    sensor.start(2);
    CHECK(set_aside(sensor.store()));
    require_signed(sensor.entries(), sensor.key->public_key());
  }
}
