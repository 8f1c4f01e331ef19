// Bundles and requests come from strangers: proofs, the capture file, requests, and a whole bundle whose
// hashes, checkpoint and manifest a forger made to fit. The first byte says which.
#include <cstdint>
#include <string>

#include "common/check.h"
#include "storage/evidence/bundle_packets.h"
#include "storage/evidence/bundle_proofs.h"
#include "storage/evidence/bundle_verify.h"
#include "storage/evidence/merkle_tree.h"
#include "storage/evidence/signing_key.h"
#include "storage/evidence/store_request.h"
#include "storage/format/byte_order.h"
#include "tests/support/simulated_files.h"

using namespace gatetape;
using gatetape::test::SimulatedFiles;

namespace {

constexpr char kDirectory[] = "/bundle";
constexpr uint64_t kPacketsMax = 100'000;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void put(SimulatedFiles& files, const std::string& name, std::span<const uint8_t> bytes) {
  auto file = files.create(std::string(kDirectory) + "/" + name);
  GT_CHECK(file && (*file)->write_at(0, bytes));
}

// Proofs that were read are the same after they were written again.
void read_proofs(std::span<const uint8_t> bytes) {
  const auto proofs = BundleProofs::parse(bytes, kPacketsMax);
  if (!proofs) return;
  const auto written = proofs->serialise();
  const auto again = BundleProofs::parse(written, kPacketsMax);
  GT_CHECK(again && again->serialise() == written && again->packets.size() == proofs->packets.size());
}

void read_packets(std::span<const uint8_t> bytes) {
  SimulatedFiles files;
  GT_CHECK(files.make_directories(kDirectory));
  put(files, kBundlePackets, bytes);
  auto capture = BundlePackets::open(files, std::string(kDirectory) + "/" + kBundlePackets);
  GT_CHECK(capture);
  uint64_t sum = 0, end = 0;
  Packet packet;
  while (capture->next(packet) == BundlePackets::Next::kPacket) {
    GT_CHECK(capture->offset() >= end && packet.interface_id < capture->interfaces().size());
    for (const uint8_t byte : packet.bytes()) sum += byte;
    end = capture->offset() + packet.captured_length;
  }
  GT_CHECK(end <= bytes.size() && sum <= 255 * bytes.size());
}

void read_request(std::span<const uint8_t> bytes) {
  const auto content = parse_request(bytes);
  if (!content) return;
  const auto again = parse_request(serialise_request(*content));
  GT_CHECK(again && *again == *content);
}

// The way up to a root, whatever it is, so that a forger's checkpoint can be over it.
Sha256Digest root_over(const BundleProofs& proofs, uint64_t size) {
  std::vector<uint64_t> numbers;
  std::vector<Sha256Digest> leaves;
  for (const BundleProofs::Segment& segment : proofs.segments) {
    numbers.push_back(segment.entry.leaves);
    leaves.push_back(segment.leaf());
  }
  const auto root = merkle_root(size, numbers, leaves, proofs.proof);
  return root ? *root : Sha256Digest{};
}

void verify_forged(ByteSource in) {
  static const SigningKey key = SigningKey::generate();
  const uint64_t size = in.get<uint32_t>();
  const auto proof_bytes = in.view(std::min<size_t>(in.get<uint32_t>(), in.remaining()));
  const auto packets = in.view(in.remaining());
  const auto proofs = BundleProofs::parse(proof_bytes, kPacketsMax);
  const CheckpointText checkpoint{"gatetape/forged", size, proofs ? root_over(*proofs, size) : Sha256Digest{}, 0};
  const std::string files_text[] = {key.sign(checkpoint), public_key_pem(key.public_key())};
  const std::span<const uint8_t> contents[] = {
      bytes_of(files_text[0]), bytes_of(files_text[1]), packets, proof_bytes, {}, {}};
  BundleManifest manifest{checkpoint.origin, proofs ? proofs->packets.size() : 0, proofs ? proofs->proven() : 0, {}};
  SimulatedFiles files;
  GT_CHECK(files.make_directories(kDirectory));
  for (size_t i = 0; i < std::size(kBundleFiles); i++) {
    put(files, kBundleFiles[i], contents[i]);
    manifest.hashes.push_back(sha256(contents[i]));
  }
  put(files, kBundleManifest, bytes_of(key.sign_note(manifest.origin, manifest.text())));
  const auto report = verify_bundle(files, kDirectory, key.fingerprint());
  GT_CHECK(report && report->proven <= report->packets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  switch (data[0]) {
    case 0:
      read_proofs(rest);
      break;
    case 1:
      read_packets(rest);
      break;
    case 2:
      read_request(rest);
      break;
    default:
      verify_forged(ByteSource(rest));
  }
  return 0;
}
