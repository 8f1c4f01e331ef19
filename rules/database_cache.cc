#include "rules/database_cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "common/check.h"

namespace gatetape {
namespace {

namespace fs = std::filesystem;

// The file: this, the SHA-256 of key and database, the database as hs_serialize_database() gives it.
constexpr std::string_view kMagic = "gatetape-hsdb-1\n";
constexpr size_t kDigestBytes = 32;
constexpr size_t kHeaderBytes = kMagic.size() + kDigestBytes;
constexpr std::string_view kSuffix = ".hsdb", kPartSuffix = ".part";
constexpr auto kPartAge = std::chrono::hours(1);  // nobody writes a file for so long

using Digest = std::array<uint8_t, kDigestBytes>;

Digest sha256_of(std::initializer_list<std::span<const uint8_t>> parts) {
  Digest digest;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  GT_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  for (const auto part : parts) GT_CHECK(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  GT_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
  return digest;
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int operator*() const { return number_; }

 private:
  int number_;
};

bool write_all(int descriptor, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

// What is there, up to the size that the file had when it was opened; nothing when it cannot be read.
std::vector<uint8_t> read_all(int descriptor) {
  struct stat about;
  if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) return {};
  std::vector<uint8_t> bytes(static_cast<size_t>(about.st_size));
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = read(descriptor, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

void append(std::vector<uint8_t>& out, std::span<const uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Makes the directory if it is not there, and looks whether it is ours alone.
Result<void> prepare(const std::string& directory) {
  std::error_code error;
  if (!fs::exists(directory, error)) {
    if (!fs::create_directories(directory, error) && error) return fail("{}: {}", directory, error.message());
    if (chmod(directory.c_str(), 0700) != 0) return fail("{}: {}", directory, std::strerror(errno));
  }
  struct stat about;
  if (stat(directory.c_str(), &about) != 0) return fail("{}: {}", directory, std::strerror(errno));
  if (!S_ISDIR(about.st_mode)) return fail("{}: not a directory", directory);
  if (about.st_uid != geteuid() || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail("{}: belongs to another user or can be written by others; compiled rules in it cannot be trusted",
                directory);
  }
  return {};
}

}  // namespace

DatabaseCache::DatabaseCache(const std::string& directory) {
  if (directory.empty()) return;
  if (Result<void> prepared = prepare(directory); prepared) {
    directory_ = directory;
  } else {
    failed(prepared.error());
  }
}

std::string DatabaseCache::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void DatabaseCache::failed(Error error) {
  const std::lock_guard lock(mutex_);
  if (problem_.empty()) problem_ = std::move(error.message);
}

DatabaseCache::Key DatabaseCache::key_of(std::span<const uint8_t> compiled_from) {
  hs_platform_info_t platform = {};
  GT_CHECK(hs_populate_platform(&platform) == HS_SUCCESS);
  const uint64_t words[] = {platform.tune, platform.cpu_features};
  return sha256_of({bytes_of(kMagic),
                    bytes_of(hs_version()),
                    {reinterpret_cast<const uint8_t*>(words), sizeof words},
                    compiled_from});
}

std::string DatabaseCache::path_of(const Key& key) const {
  std::string name;
  for (const uint8_t byte : key) name += fmt::format("{:02x}", byte);
  return directory_ + "/" + name + std::string(kSuffix);
}

HyperscanDatabase DatabaseCache::find(const Key& key) const {
  if (!enabled()) return nullptr;
  const Descriptor file(::open(path_of(key).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (*file < 0) return nullptr;
  const std::vector<uint8_t> bytes = read_all(*file);
  if (bytes.size() <= kHeaderBytes || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) return nullptr;
  const auto content = std::span(bytes).subspan(kHeaderBytes);
  const Digest digest = sha256_of({key, content});
  if (std::memcmp(bytes.data() + kMagic.size(), digest.data(), digest.size()) != 0) return nullptr;
  hs_database_t* database = nullptr;
  if (hs_deserialize_database(reinterpret_cast<const char*>(content.data()), content.size(), &database) != HS_SUCCESS) {
    return nullptr;
  }
  futimens(*file, nullptr);  // in use: see prune()
  return HyperscanDatabase(database);
}

void DatabaseCache::keep(const Key& key, const hs_database_t* database) {
  if (!enabled()) return;
  char* serialized = nullptr;
  size_t size = 0;
  if (hs_serialize_database(database, &serialized, &size) != HS_SUCCESS) {
    return failed({"rules cache: a database cannot be serialized"});
  }
  const std::unique_ptr<char, decltype(&std::free)> owner(serialized, std::free);
  const std::span content(reinterpret_cast<const uint8_t*>(serialized), size);
  std::vector<uint8_t> header;
  append(header, bytes_of(kMagic));
  append(header, sha256_of({key, content}));

  static std::atomic<unsigned> parts{0};
  const std::string path = path_of(key);
  const std::string part = fmt::format("{}.{}.{}{}", path, getpid(), parts++, kPartSuffix);
  const Descriptor file(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (*file < 0) return failed({fmt::format("{}: {}", part, std::strerror(errno))});
  // Not synced: a file that a power cut leaves broken is found so by its digest.
  if (!write_all(*file, header) || !write_all(*file, content) || rename(part.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(part.c_str());
    failed({fmt::format("{}: {}", part, std::strerror(error))});
  }
}

void DatabaseCache::prune() const {
  if (!enabled()) return;
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    std::error_code gone;  // another process may prune, too
    const auto age = now - entry->last_write_time(gone);
    if (gone) continue;
    const bool unused = name.ends_with(kSuffix) && age > std::chrono::hours(24 * kUnusedDays);
    const bool abandoned = name.ends_with(kPartSuffix) && age > kPartAge;
    if (unused || abandoned) fs::remove(entry->path(), gone);
  }
}

std::string default_cache_directory() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (std::string directory = variable("CACHE_DIRECTORY"); !directory.empty()) {
    return directory.substr(0, directory.find(':'));  // a unit may have several
  }
  if (const std::string cache = variable("XDG_CACHE_HOME"); cache.starts_with('/')) return cache + "/gatetape";
  if (const std::string home = variable("HOME"); home.starts_with('/')) return home + "/.cache/gatetape";
  return "";
}

}  // namespace gatetape
