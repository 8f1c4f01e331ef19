// Bundles: what an extract took along is proven by itself, whatever somebody changes in it is found and named, and
// what cannot be proven is said.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "storage/evidence/bundle_packets.h"
#include "storage/evidence/bundle_verify.h"
#include "storage/query/bundle.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

std::shared_ptr<const SigningKey> shared(SigningKey key) {
  return std::make_shared<const SigningKey>(std::move(key));
}

StoreOptions options_of(const std::string& directory, std::shared_ptr<const SigningKey> key, unsigned workers = 2) {
  StoreOptions options = small_store(directory);
  options.ring_bytes_max = 64 << 20;
  options.segment_raw_bytes_max = 300'000;
  options.workers = workers;
  options.shared_ordinals = true;
  options.evidence.key = std::move(key);
  return options;
}

void record(const StoreOptions& options, const std::vector<QueryPacket>& packets) {
  auto store = Store::open(options, false);
  REQUIRE(store);
  write_packets(**store, packets, options.workers, 200);
  RecordBatch batch;
  for (const QueryPacket& packet : packets) {
    AlertRecord alert;
    alert.flow_id = packet.flow_id;
    alert.timestamp_ns = packet.timestamp_ns;
    batch.append(alert);
  }
  REQUIRE((*store)->records().write(batch));
  REQUIRE((*store)->close());
}

Result<ExtractStatement> bundle(
    const std::string& store, const std::string& expression_text, const std::string& directory, const SigningKey* key,
    const std::function<bool()>& stop = [] { return false; }) {
  auto reader = StoreReader::open({store});
  REQUIRE(reader);
  auto summary = (*reader)->summary();
  REQUIRE(summary);
  auto expression = Expression::parse(expression_text);
  REQUIRE(expression);
  REQUIRE(expression->compile(link_types_of(*summary)));
  BundleRequest request;
  request.directory = directory;
  request.stores = {store};
  request.append_record = [](std::string& out, const Record& record) {
    out += fmt::format("{{\"flow\":{}}}", std::get<AlertRecord>(record).flow_id);
  };
  request.find_key = [&](const PacketEvidence& evidence) -> Result<std::optional<SigningKey>> {
    if (key == nullptr || key->public_key() != evidence.signer) return std::optional<SigningKey>();
    return std::optional(*key);
  };
  return extract_bundle(**reader, *expression, request, stop);
}

BundleReport verify(const std::string& directory, const std::string& fingerprint) {
  const auto report = verify_bundle(system_files(), directory, fingerprint);
  if (!report) FAIL(report.error().message);
  return *report;
}

bool names(const BundleReport& report, std::string_view file, std::string_view words = "") {
  return std::ranges::any_of(report.findings, [&](const Finding& finding) {
    return finding.file.ends_with(file) && finding.what.find(words) != std::string::npos;
  });
}

// A store of two runs, and a bundle of some of its packets.
class Bundled {
 public:
  explicit Bundled(bool sign_manifest = true, uint32_t seed = 80) {
    const auto packets = store_traffic(seed, 1200);
    record(options_of(store, key), {packets.begin(), packets.begin() + 600});
    record(options_of(store, key), {packets.begin() + 600, packets.end()});
    const auto made = bundle(store, "tcp", path, sign_manifest ? key.get() : nullptr);
    if (!made) FAIL(made.error().message);
    statement = *made;
    for (const auto& entry : fs::directory_iterator(path)) files[entry.path()] = read_file(entry.path());
  }
  BundleReport verify() const { return ::verify(path, key->fingerprint()); }
  // Verifies with something changed, and undoes it.
  template <class Change>
  BundleReport with(Change change) const {
    change();
    const BundleReport report = verify();
    for (const auto& entry : fs::directory_iterator(path)) fs::remove(entry.path());
    for (const auto& [file, bytes] : files) write_file(file, bytes);
    return report;
  }
  std::string file(const char* name) const { return path + "/" + name; }

 private:
  TemporaryDirectory directory_;

 public:
  const std::string store = directory_.path("store"), path = directory_.path("bundle");
  const std::shared_ptr<const SigningKey> key = shared(SigningKey::generate());
  ExtractStatement statement;
  std::map<std::string, Bytes> files;
};

// Where the capture file's packets begin, and their blocks' sizes.
std::vector<std::pair<size_t, size_t>> packet_blocks(const std::string& path) {
  auto capture = BundlePackets::open(system_files(), path);
  REQUIRE(capture);
  std::vector<std::pair<size_t, size_t>> blocks;
  Packet packet;
  while (capture->next(packet) == BundlePackets::Next::kPacket) {
    blocks.emplace_back(capture->offset(), 32 + (packet.captured_length + 3) / 4 * 4);
  }
  return blocks;
}

// Makes the manifest right again for what is in the directory, as somebody can who has no key.
void rewrite_manifest(const Bundled& bundle, const std::string& origin, uint64_t packets, uint64_t proven) {
  BundleManifest manifest{origin, packets, proven, {}};
  for (const char* name : kBundleFiles) manifest.hashes.push_back(sha256(read_file(bundle.file(name))));
  const std::string text = manifest.text();
  write_file(bundle.file(kBundleManifest), {text.begin(), text.end()});
}

}  // namespace

TEST_CASE("a bundle verifies by itself, and all its packets are proven", "[bundle]") {
  const Bundled bundle;
  const BundleReport report = bundle.verify();
  for (const Finding& finding : report.findings) UNSCOPED_INFO(finding.file << ": " << finding.what);
  CHECK(report.sound());
  CHECK(report.manifest_signed);
  CHECK(report.unproven.empty());
  CHECK(report.packets == bundle.statement.packets);
  CHECK(report.proven == report.packets);
  CHECK(report.packets > 200);
  CHECK(report.packets < 1200);
  CHECK(bundle.files.size() == 7);
  fs::remove_all(bundle.store);  // nothing else is needed
  CHECK(bundle.verify().sound());
  CHECK(!::verify(bundle.path, SigningKey::generate().fingerprint()).sound());
}

TEST_CASE("each flipped byte of a bundle is found, and its file named", "[bundle]") {
  for (const bool sign_manifest : {true, false}) {
    const Bundled bundle(sign_manifest);
    size_t flips = 0;
    for (const auto& [path, bytes] : bundle.files) {
      for (size_t at = 0; at < bytes.size(); at += bytes.size() < 4000 ? 7 : bytes.size() / 60 + 1, flips++) {
        const BundleReport report = bundle.with([&] {
          Bytes changed = bytes;
          changed[at] ^= static_cast<uint8_t>(1 << at % 8);
          write_file(path, changed);
        });
        CAPTURE(path, at, sign_manifest);
        CHECK(!report.sound());
        // A manifest's hash that is wrong makes the file that it is of look wrong.
        CHECK((names(report, file_name(path)) || file_name(path) == kBundleManifest));
      }
    }
    WARN(flips << " flips of a bundle with a manifest that is " << (sign_manifest ? "" : "not ") << "signed");
    CHECK(flips > 300);
    CHECK(bundle.verify().sound());
  }
}

TEST_CASE("a packet changed, removed, added, doubled or moved is named", "[bundle]") {
  const Bundled bundle;
  const std::string path = bundle.file(kBundlePackets);
  const Bytes& before = bundle.files.at(path);
  const auto blocks = packet_blocks(path);
  const auto at = [&](size_t n) { return before.begin() + static_cast<ptrdiff_t>(blocks[n].first); };
  const auto end = [&](size_t n) { return at(n) + static_cast<ptrdiff_t>(blocks[n].second); };
  const auto with_bytes = [&](const Bytes& bytes) { return bundle.with([&] { write_file(path, bytes); }); };

  Bytes changed = before;
  changed[blocks[41].first + 28 + 20] ^= 1;  // a byte of it
  CHECK(names(with_bytes(changed), kBundlePackets, "packet 42,"));
  changed = before;
  changed[blocks[41].first + 16] ^= 1;  // its time
  CHECK(names(with_bytes(changed), kBundlePackets, "packet 42,"));
  changed = before;
  changed[blocks[41].first + 24] ^= 1;  // its length on the wire
  CHECK(names(with_bytes(changed), kBundlePackets, "packet 42,"));

  Bytes removed(before.begin(), at(10));
  removed.insert(removed.end(), end(10), before.end());
  CHECK(names(with_bytes(removed), kBundlePackets, "packet 11,"));
  Bytes last_removed(before.begin(), at(blocks.size() - 1));
  last_removed.insert(last_removed.end(), end(blocks.size() - 1), before.end());
  CHECK(names(with_bytes(last_removed), kBundlePackets, "it ends after packet"));
  Bytes doubled = before;
  doubled.insert(doubled.begin() + static_cast<ptrdiff_t>(blocks[20].first), at(20), end(20));
  CHECK(names(with_bytes(doubled), kBundlePackets, "packet 22,"));
  Bytes swapped(before.begin(), at(30));
  swapped.insert(swapped.end(), at(31), end(31));
  swapped.insert(swapped.end(), at(30), end(30));
  swapped.insert(swapped.end(), end(31), before.end());
  CHECK(names(with_bytes(swapped), kBundlePackets, "packet 31,"));
  CHECK(bundle.verify().sound());
}

TEST_CASE("files of a bundle removed, added, exchanged with another's or linked are found", "[bundle]") {
  const Bundled bundle, other(true, 81);
  for (const auto& [path, bytes] : bundle.files) {
    CAPTURE(path);
    CHECK(names(bundle.with([&] { fs::remove(path); }), file_name(path), "missing"));
    CHECK(!bundle.with([&] { write_file(path, other.files.at(other.path + "/" + std::string(file_name(path)))); })
               .sound());
    CHECK(!bundle.with([&] { write_file(path, {}); }).sound());
    const BundleReport linked = bundle.with([&] {
      fs::remove(path);
      fs::create_symlink(other.path + "/" + std::string(file_name(path)), path);
    });
    CHECK(names(linked, file_name(path), "not a regular file"));
  }
  CHECK(names(bundle.with([&] { write_file(bundle.file("more"), {1}); }), "more"));
  CHECK(::verify(other.path, bundle.key->fingerprint()).findings.size() > 0);
}

TEST_CASE("what was rewritten without the key is found, manifest and all", "[bundle]") {
  const Bundled bundle;
  const std::string origin = bundle.statement.bundle->checkpoint_origin;
  const uint64_t packets = bundle.statement.packets;
  SECTION("a statement, and a manifest that fits: no signature is left") {
    const BundleReport report = bundle.with([&] {
      write_file(bundle.file(kBundleStatement), {'{', '}', '\n'});
      rewrite_manifest(bundle, origin, packets, packets);
    });
    CHECK(!report.manifest_signed);
  }
  SECTION("the same with the old signature") {
    const BundleReport report = bundle.with([&] {
      write_file(bundle.file(kBundleStatement), {'{', '}', '\n'});
      const Bytes old = bundle.files.at(bundle.file(kBundleManifest));
      rewrite_manifest(bundle, origin, packets, packets);
      Bytes manifest = read_file(bundle.file(kBundleManifest));
      manifest.insert(manifest.end(), old.begin() + static_cast<ptrdiff_t>(manifest.size()), old.end());
      write_file(bundle.file(kBundleManifest), manifest);
    });
    CHECK(names(report, kBundleManifest, "signature"));
  }
  SECTION("proofs computed anew over a changed packet") {
    const BundleReport report = bundle.with([&] {
      const std::string path = bundle.file(kBundlePackets);
      Bytes bytes = read_file(path);
      const auto blocks = packet_blocks(path);
      bytes[blocks[5].first + 28] ^= 1;
      write_file(path, bytes);
      auto proofs = BundleProofs::parse(read_file(bundle.file(kBundleProofs)), packets);
      REQUIRE(proofs);
      auto capture = BundlePackets::open(system_files(), path);
      REQUIRE(capture);
      Packet packet;
      for (size_t i = 0; i <= 5; i++) REQUIRE(capture->next(packet) == BundlePackets::Next::kPacket);
      BundleProofs::Packet& proof = proofs->packets[5];
      proof.leaf = packet_leaf({proof.ordinal, packet.timestamp_ns, packet.wire_length, packet.link_type,
                                proof.interface_id, proof.head_length, packet.bytes()});
      write_file(bundle.file(kBundleProofs), proofs->serialise());
      rewrite_manifest(bundle, origin, packets, packets);
    });
    CHECK(names(report, kBundleProofs));
  }
  SECTION("signed by another key that calls itself the sensor's") {
    const SigningKey forger = SigningKey::generate();
    const BundleReport report = bundle.with([&] {
      const auto note = SignedNote::parse(std::string(bundle.files.at(bundle.file(kBundleCheckpoint)).begin(),
                                                      bundle.files.at(bundle.file(kBundleCheckpoint)).end()));
      REQUIRE(note);
      const std::string forged = forger.sign(note->checkpoint), pem = public_key_pem(forger.public_key());
      write_file(bundle.file(kBundleCheckpoint), {forged.begin(), forged.end()});
      write_file(bundle.file(kBundleKey), {pem.begin(), pem.end()});
      rewrite_manifest(bundle, origin, packets, packets);
    });
    CHECK(names(report, kBundleKey, "another key"));
  }
  SECTION("a packet that is said to have no proof") {
    const BundleReport report = bundle.with([&] {
      auto proofs = BundleProofs::parse(read_file(bundle.file(kBundleProofs)), packets);
      REQUIRE(proofs);
      proofs->reasons = {"none"};
      proofs->packets[3] = {};
      proofs->packets[3].segment = BundleProofs::Packet::kUnproven;
      write_file(bundle.file(kBundleProofs), proofs->serialise());
      rewrite_manifest(bundle, origin, packets, packets - 1);
    });
    CHECK(!report.sound());  // the others of its frame do not fit their proof without it
  }
  CHECK(bundle.verify().sound());
}

TEST_CASE("a bundle of a key that another one endorsed is trusted by the first one's fingerprint", "[bundle]") {
  TemporaryDirectory directory;
  const std::string store = directory.path("store");
  const auto first = shared(SigningKey::generate()), second = shared(first->successor()),
             third = shared(second->successor());
  const auto packets = store_traffic(82, 300);
  for (const auto& key : {first, second, third}) record(options_of(store, key, 1), packets);
  REQUIRE(bundle(store, "", directory.path("b"), third.get()));
  for (const auto& key : {first, second, third}) {
    const BundleReport report = verify(directory.path("b"), key->fingerprint());
    for (const Finding& finding : report.findings) UNSCOPED_INFO(finding.file << ": " << finding.what);
    CHECK(report.sound());
    CHECK(report.manifest_signed);
  }
  CHECK(!verify(directory.path("b"), SigningKey::generate().fingerprint()).sound());
}

TEST_CASE("packets of segments that are not sealed, not signed or not what was sealed are said to be unproven",
          "[bundle]") {
  TemporaryDirectory directory;
  const auto key = shared(SigningKey::generate());
  const std::string store = directory.path("store");
  const auto packets = store_traffic(83, 900);
  StoreOptions options = options_of(store, key, 1);
  auto open = Store::open(options, false);
  REQUIRE(open);
  write_packets(**open, packets, 1, 200);
  REQUIRE((*open)->settle());
  const auto live = bundle(store, "", directory.path("live"), key.get());
  REQUIRE(live);
  CHECK(live->packets == packets.size());
  CHECK(live->bundle->proven < packets.size());
  REQUIRE(!live->bundle->not_proven.empty());
  CHECK(live->bundle->not_proven[0].find("not sealed yet") != std::string::npos);
  const BundleReport report = verify(directory.path("live"), key->fingerprint());
  CHECK(report.sound());
  CHECK(report.proven == live->bundle->proven);
  CHECK(!report.unproven.empty());
  REQUIRE((*open)->close());

  // A frame whose packets were exchanged for others, with every checksum right, cannot be made here; one that names
  // another root can.
  const std::string path = segment_paths(store).front();
  auto segment = SegmentReader::open(system_files(), path, [](const std::string&, uint64_t, const char*) {});
  REQUIRE(segment);
  Bytes bytes = read_file(path);
  const FrameEntry frame = (*segment)->frames()[0];
  FrameHeader header;
  size_t needed;
  REQUIRE(FrameHeader::parse(std::span(bytes).subspan(frame.offset), segment_id((*segment)->header().uuid), header,
                             needed) == FrameHeader::Parse::kOk);
  header.account_added++;
  header.serialise(bytes.data() + frame.offset);
  write_file(path, bytes);
  const auto changed = bundle(store, "", directory.path("changed"), key.get());
  REQUIRE(changed);
  CHECK(changed->bundle->proven < changed->packets);
  REQUIRE(changed->bundle->not_proven.size() == 1);
  CHECK(changed->bundle->not_proven[0].find("is not what was sealed") != std::string::npos);
  CHECK(verify(directory.path("changed"), key->fingerprint()).sound());
}

TEST_CASE("a bundle is refused where there is one, and nothing is left of one that fails", "[bundle]") {
  TemporaryDirectory directory;
  const auto key = shared(SigningKey::generate());
  const std::string store = directory.path("store"), path = directory.path("bundle");
  record(options_of(store, key, 1), store_traffic(84, 200));
  fs::create_directory(path);
  write_file(path + "/mine", {1});
  const auto full = bundle(store, "", path, key.get());
  REQUIRE(!full);
  CHECK(full.error().message.find("not empty") != std::string::npos);
  CHECK(read_file(path + "/mine") == Bytes{1});
  fs::remove(path + "/mine");
  size_t asked = 0;
  CHECK(!bundle(store, "", path, key.get(), [&] { return ++asked > 100; }));
  CHECK(fs::is_empty(path));
  CHECK(bundle(store, "", path, key.get()));
  fs::create_directory_symlink(path, directory.path("link"));
  CHECK(!bundle(store, "", directory.path("link"), key.get()));
  write_file(directory.path("file"), {});
  CHECK(!bundle(store, "", directory.path("file"), key.get()));
  fs::remove(store + "/ledger");
  const auto unsigned_store = bundle(store, "", directory.path("unsigned"), key.get());
  REQUIRE(!unsigned_store);
  CHECK(unsigned_store.error().message.find("no ledger") != std::string::npos);
  CHECK(fs::is_empty(directory.path("unsigned")));
}

TEST_CASE("stock openssl checks a bundle's signatures, sha256sum its manifest", "[bundle]") {
  int status = 1;
  run_command("command -v openssl && command -v sha256sum", &status);
  if (status != 0) {
    WARN("skipped: no openssl or sha256sum");
    return;
  }
  const Bundled bundle;
  const std::string in = "cd " + bundle.path + " && ";
  CHECK(run_command(in + "openssl pkey -pubin -in key.pem -outform DER | sha256sum").substr(0, 64) ==
        bundle.key->fingerprint());
  CHECK(run_command(in + "sha256sum -c manifest 2>/dev/null", &status).find("FAILED") == std::string::npos);
  CHECK(status == 0);
  TemporaryDirectory scratch;
  for (const char* note : {kBundleCheckpoint, kBundleManifest}) {
    CAPTURE(note);
    const std::string text = scratch.path("text"), signature = scratch.path("signature");
    run_command(in + fmt::format("sed '/^$/,$d' {} >{}; sed -n 's/^— [^ ]* //p' {} | base64 -d | tail -c 64 >{}", note,
                                 text, note, signature));
    const std::string check =
        in + fmt::format("openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in {} -sigfile {}", text, signature);
    run_command(check + " 2>&1", &status);
    CHECK(status == 0);
    Bytes changed = read_file(text);
    changed[5] ^= 1;
    write_file(text, changed);
    run_command(check + " 2>&1", &status);
    CHECK(status != 0);
  }
}
