#include "storage/query/bundle.h"

#include <cerrno>
#include <unordered_set>

#include "storage/evidence/file_hash.h"
#include "storage/read/record_reader.h"

namespace gatetape {
namespace {

uint64_t flow_of(const Record& record) {
  return std::visit(
      [](const auto& concrete) -> uint64_t {
        if constexpr (requires { concrete.flow_id; }) return concrete.flow_id;
        return 0;
      },
      record);
}

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The directory while it is being filled; unless finished, no file is left in it.
class BundleDirectory {
 public:
  static Result<std::unique_ptr<BundleDirectory>> make(const std::string& path) {
    FileSystem& files = system_files();
    const auto status = files.entry_status(path);
    if (!status && status.error().code != ENOENT) return tl::unexpected<Error>(status.error());
    if (!status) {
      if (auto made = files.make_directories(path); !made) return pass_on(made);
    } else if (status->kind != FileStatus::Kind::kDirectory) {
      return fail("{}: not a directory", path);
    }
    const auto names = files.list(path);
    if (!names) return tl::unexpected<Error>(names.error());
    if (!names->empty()) return fail("{}: not empty: a bundle is written into a directory of its own", path);
    return std::make_unique<BundleDirectory>(path);
  }

  explicit BundleDirectory(std::string path) : path_(std::move(path)) {}
  ~BundleDirectory() {
    if (finished_) return;
    (void)system_files().remove(path(kBundleManifest));  // nobody is left to tell
    for (const char* name : kBundleFiles) (void)system_files().remove(path(name));
  }
  BundleDirectory(const BundleDirectory&) = delete;

  std::string path(const char* name) const { return path_ + "/" + name; }

  Result<void> write(const char* name, std::span<const uint8_t> bytes) const {
    auto file = OutputFile::open(path(name));
    if (!file) return pass_on(file);
    (*file)->append(bytes);
    return (*file)->finish();
  }

  Result<void> finish(const std::string& manifest) {
    if (auto synced = system_files().sync_directory(path_); !synced) return synced;
    if (auto written = write(kBundleManifest, bytes_of(manifest)); !written) return written;
    if (auto synced = system_files().sync_directory(path_); !synced) return synced;
    finished_ = true;
    return {};
  }

 private:
  const std::string path_;
  bool finished_ = false;
};

// Remembers where each packet lies and to which flows they belong.
class Selected {
 public:
  void add(const StoredPacket& packet) {
    places_.add(packet.place);
    if (packet.flow_id == 0 || packet.flow_id == last_flow_) return;
    last_flow_ = packet.flow_id;
    if (flows_.size() < kFlowsCountedMax) flows_.insert(packet.flow_id);
  }
  const PacketSelection& places() const { return places_; }
  bool has_flow(uint64_t flow) const { return flow != 0 && flows_.contains(flow); }
  bool too_many_flows() const { return flows_.size() == kFlowsCountedMax; }

 private:
  PacketSelection places_;
  std::unordered_set<uint64_t> flows_;
  uint64_t last_flow_ = 0;
};

Result<void> write_records(StoreReader& reader, const Selected& selected, const BundleRequest& request,
                           const std::string& path, const std::function<bool()>& stop) {
  auto file = OutputFile::open(path);
  if (!file) return pass_on(file);
  std::string line;
  const RecordQuery query{request.range.since_ns, request.range.until_ns,
                          record_types<FlowRecord, HttpRecord, AlertRecord, TransactionRecord>()};
  const auto read = reader.records(query, [&](const Record& record) {
    if (!selected.has_flow(flow_of(record))) return true;
    const RecordTime time = time_of(record);
    if (!request.range.touches(time.first_ns, time.last_ns)) return true;
    line.clear();
    request.append_record(line, record);
    line.push_back('\n');
    (*file)->append(bytes_of(line));
    return (*file)->status().has_value() && !stop();
  });
  if (!read) return tl::unexpected<Error>(read.error());
  if (stop()) return fail("interrupted: nothing was kept");
  return (*file)->finish();
}

BundleFacts facts_of(const PacketEvidence& evidence, bool manifest_signed) {
  BundleFacts facts;
  facts.proven = evidence.proofs.proven();
  facts.not_proven = evidence.proofs.reasons;
  facts.checkpoint_origin = evidence.checkpoint.origin;
  facts.checkpoint_leaves = evidence.checkpoint.tree_size;
  facts.checkpoint_ns = evidence.checkpoint.time_ns;
  facts.key_fingerprint = key_fingerprint(evidence.signer);
  facts.manifest_signed = manifest_signed;
  return facts;
}

Result<std::string> manifest_of(const BundleDirectory& directory, const PacketEvidence& evidence,
                                const std::optional<SigningKey>& key) {
  BundleManifest manifest{evidence.checkpoint.origin, evidence.proofs.packets.size(), evidence.proofs.proven(), {}};
  for (const char* name : kBundleFiles) {
    auto hash = file_hash(system_files(), directory.path(name));
    if (!hash) return pass_on(hash);
    manifest.hashes.push_back(*hash);
  }
  return key ? key->sign_note(manifest.origin, manifest.text()) : manifest.text();
}

}  // namespace

Result<ExtractStatement> extract_bundle(StoreReader& reader, Expression& expression, const BundleRequest& request,
                                        const std::function<bool()>& stop) {
  auto directory = BundleDirectory::make(request.directory);
  if (!directory) return pass_on(directory);
  Selected selected;
  ExtractRequest extract_request;
  extract_request.range = request.range;
  extract_request.origin = request.origin;
  extract_request.output.path = (*directory)->path(kBundlePackets);
  extract_request.written = [&](const StoredPacket& packet) { selected.add(packet); };
  auto statement = extract(reader, expression, extract_request, stop);
  if (!statement) return statement;
  if (selected.too_many_flows()) return fail("more than {} flows: too many for one bundle", kFlowsCountedMax - 1);

  auto written = write_records(reader, selected, request, (*directory)->path(kBundleRecords), stop);
  if (!written) return pass_on(written);
  const auto evidence = prove_packets(system_files(), request.stores, selected.places(), stop);
  if (!evidence) return tl::unexpected<Error>(evidence.error());
  auto key = request.find_key(*evidence);
  if (!key) return pass_on(key);
  statement->bundle = facts_of(*evidence, key->has_value());
  const auto packets = file_hash(system_files(), (*directory)->path(kBundlePackets));
  if (!packets) return tl::unexpected<Error>(packets.error());
  if (request.note) request.note(*statement, *packets);

  std::string json;
  append_statement(json, *statement);
  json.push_back('\n');
  written = (*directory)->write(kBundleStatement, bytes_of(json));
  if (written) written = (*directory)->write(kBundleProofs, evidence->proofs.serialise());
  if (written) written = (*directory)->write(kBundleCheckpoint, bytes_of(evidence->note));
  if (written) written = (*directory)->write(kBundleKey, bytes_of(evidence->key_file()));
  if (!written) return pass_on(written);
  const auto manifest = manifest_of(**directory, *evidence, *key);
  if (!manifest) return tl::unexpected<Error>(manifest.error());
  if (written = (*directory)->finish(*manifest); !written) return pass_on(written);
  return statement;
}

}  // namespace gatetape
