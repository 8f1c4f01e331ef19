#include "storage/evidence/store_request.h"

#include <openssl/rand.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/check.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/signed_note.h"
#include "storage/format/byte_order.h"

namespace gatetape {
namespace {

constexpr char kMagic[9] = "GTREQST1";
constexpr size_t kHeadBytes = 16;
constexpr size_t kCounted = 10'000;
constexpr uint32_t kGroupMayWrite = 0020;

std::string random_name() {
  std::array<uint8_t, 16> random;
  GT_CHECK(RAND_bytes(random.data(), static_cast<int>(random.size())) == 1);
  return hex(random);
}

// Makes the directory for those who may write into the store's own: its owner, and root, who gives it to him.
Result<void> make_directory(FileSystem& files, const std::string& path, const FileStatus& store) {
  if (files.entry_status(path)) return {};
  if (auto made = files.make_directories(path); !made) return made;
  if (::geteuid() == 0 && ::lchown(path.c_str(), store.owner, store.group) != 0) return fail_with(errno, "{}", path);
  return {};
}

Result<void> write_request(FileSystem& files, const std::string& path, std::span<const uint8_t> bytes,
                           uint32_t rights) {
  auto file = files.create(path);  // there is nothing of that name, and no link is followed
  if (!file) return pass_on(file);
  auto written = files.set_rights(path, rights);
  if (written) written = (*file)->write_at(0, bytes);
  if (written) written = (*file)->sync();
  if (!written) (void)files.remove(path);  // the first error is the one to tell
  return written;
}

}  // namespace

std::vector<uint8_t> serialise_request(const LedgerContent& content) {
  const std::vector<uint8_t> body = serialise(content);
  ByteSink out;
  out.bytes(kMagic, 8);
  out.put(type_of(content));
  out.put(uint16_t{0});
  out.put(static_cast<uint32_t>(body.size()));
  out.bytes(body);
  out.put(checksum(out.bytes()));
  return {out.data(), out.data() + out.size()};
}

Result<LedgerContent> parse_request(std::span<const uint8_t> bytes) {
  if (bytes.size() > kRequestBytesMax) return fail("more than {} bytes", kRequestBytesMax);
  if (bytes.size() < kHeadBytes) return fail_with(EAGAIN, "cut short");
  ByteSource in(bytes);
  if (std::memcmp(in.view(8).data(), kMagic, 8) != 0) return fail("not a request");
  const auto type = in.get<LedgerType>();
  const auto zero = in.get<uint16_t>();
  const auto size = in.get<uint32_t>();
  if (size > kRequestBytesMax) return fail("not a request");
  if (in.remaining() < size + kChecksumBytes) return fail_with(EAGAIN, "cut short");
  const auto body = in.view(size);
  if (in.remaining() != kChecksumBytes || zero != 0 || in.get<uint64_t>() != checksum(bytes.first(kHeadBytes + size))) {
    return fail("damaged");
  }
  LedgerContent content;
  if (type != LedgerType::kCustody && type != LedgerType::kPin) return fail("nothing that a reader may ask for");
  if (!parse(type, body, content)) return fail("impossible values");
  return content;
}

Result<void> hand_over(FileSystem& files, const std::string& store_directory,
                       const std::vector<LedgerContent>& requests) {
  if (auto ledger = files.entry_status(ledger_path(store_directory)); !ledger) {
    return fail("{}: the store keeps no ledger", store_directory);
  }
  const auto store = files.status(store_directory);
  if (!store) return tl::unexpected(store.error());
  const std::string directory = store_directory + "/" + kRequestDirectory;
  if (auto made = make_directory(files, directory, *store); !made) return made;
  const auto status = files.entry_status(directory);
  if (!status) return tl::unexpected(status.error());
  if (status->kind != FileStatus::Kind::kDirectory) return fail("{}: not a directory", directory);
  // The recorder reads it: as the owner of the directory, or through the group that it was opened to.
  const bool mine = status->owner == ::geteuid();
  const uint32_t rights = status->rights & kGroupMayWrite ? 0640 : mine ? 0600 : 0644;
  for (const LedgerContent& request : requests) {
    auto bytes = serialise_request(request);
    if (bytes.size() > kRequestBytesMax) return fail("a request of {} bytes is too long", bytes.size());
    auto written = write_request(files, directory + "/" + random_name(), bytes, rights);
    if (!written) return written;
  }
  // Members of a group may put files there and not look. Their names reach the disk with the recorder's next sync.
  auto synced = files.sync_directory(directory);
  if (!synced && synced.error().code == EACCES) return {};
  return synced;
}

size_t requests_waiting(FileSystem& files, const std::string& store_directory) {
  const auto names = files.list_some(store_directory + "/" + kRequestDirectory, kCounted);
  return names ? names->size() : 0;
}

}  // namespace gatetape
