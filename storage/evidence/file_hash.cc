#include "storage/evidence/file_hash.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "common/check.h"

namespace gatetape {

Result<Sha256Digest> file_hash(FileSystem& files, const std::string& path) {
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  GT_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  const auto status = (*file)->status();
  if (!status) return tl::unexpected(status.error());
  std::vector<uint8_t> bytes(std::clamp<uint64_t>(status->bytes, 1, 1 << 20));
  for (uint64_t offset = 0;;) {
    const auto got = (*file)->read_at(offset, bytes);
    if (!got) return tl::unexpected(got.error());
    if (*got == 0) break;
    GT_CHECK(EVP_DigestUpdate(context.get(), bytes.data(), *got) == 1);
    offset += *got;
  }
  Sha256Digest digest;
  GT_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
  return digest;
}

Result<std::string> read_whole_file(FileSystem& files, const std::string& path, size_t bytes_max) {
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  const auto status = (*file)->status();
  if (!status) return tl::unexpected(status.error());
  if (status->bytes > bytes_max) return fail("{}: {} bytes are too many", path, status->bytes);
  std::string text(status->bytes, '\0');
  const auto got = (*file)->read_at(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()});
  if (!got) return tl::unexpected(got.error());
  text.resize(*got);
  return text;
}

}  // namespace gatetape
