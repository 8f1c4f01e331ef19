#include "rules/engine/database_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <random>
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
constexpr time_t kDaySeconds = 24 * 3600;
constexpr time_t kPartSeconds = 3600;  // nobody writes a file for so long

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
    if (number_ >= 0) ::close(number_);
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

bool is_ours_alone(const struct stat& about) {
  return about.st_uid == geteuid() && (about.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// Reads the file up to the size that it had when it was opened. Returns nothing when it cannot be read or trusted.
std::vector<uint8_t> read_all(int descriptor) {
  struct stat about;
  if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode) || !is_ours_alone(about)) return {};
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

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

std::string name_of(const DatabaseCache::Key& key) {
  std::string name;
  for (const uint8_t byte : key) name += fmt::format("{:02x}", byte);
  return name + std::string(kSuffix);
}

// Only what has one of our names is ours to remove: KEY.hsdb, or KEY.hsdb.NUMBER.part
enum class Kind { kOther, kDatabase, kPart };
Kind kind_of(std::string_view name) {
  constexpr size_t kKeyDigits = 2 * sizeof(DatabaseCache::Key);
  if (name.size() < kKeyDigits + kSuffix.size()) return Kind::kOther;
  const bool digits = name.substr(0, kKeyDigits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!digits || name.substr(kKeyDigits, kSuffix.size()) != kSuffix) return Kind::kOther;
  if (name.size() == kKeyDigits + kSuffix.size()) return Kind::kDatabase;
  return name.ends_with(kPartSuffix) ? Kind::kPart : Kind::kOther;
}

}  // namespace

DatabaseCache::DatabaseCache(const std::string& directory) : path_(directory) {
  if (path_.empty()) return;
  if (const Result<void> opened = open(); !opened) problem_ = opened.error().message;
}

DatabaseCache::~DatabaseCache() {
  if (enabled()) ::close(directory_);
}

// Makes the directory if it is not there, and looks whether it is ours alone.
Result<void> DatabaseCache::open() {
  std::error_code error;
  const fs::path parent = fs::path(path_).parent_path();
  if (!parent.empty() && !fs::exists(parent, error)) fs::create_directories(parent, error);
  if (error) return fail("{}: {}", path_, error.message());
  if (mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) return fail("{}: {}", path_, std::strerror(errno));
  const int directory = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return fail("{}: {}", path_, std::strerror(errno));
  struct stat about;
  if (fstat(directory, &about) != 0 || !is_ours_alone(about)) {
    ::close(directory);
    return fail("{}: belongs to another user or can be written by others; compiled rules in it cannot be trusted",
                path_);
  }
  directory_ = directory;
  return {};
}

std::string DatabaseCache::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void DatabaseCache::failed(const std::string& name, int error) {
  const std::lock_guard lock(mutex_);
  if (problem_.empty()) problem_ = fmt::format("{}/{}: {}", path_, name, std::strerror(error));
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

HyperscanDatabase DatabaseCache::find(const Key& key) const {
  if (!enabled()) return nullptr;
  const Descriptor file(openat(directory_, name_of(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
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
  const std::string name = name_of(key);
  if (hs_serialize_database(database, &serialized, &size) != HS_SUCCESS) return failed(name, ENOMEM);
  const std::unique_ptr<char, decltype(&std::free)> owner(serialized, std::free);
  const std::span content(reinterpret_cast<const uint8_t*>(serialized), size);
  std::vector<uint8_t> header;
  append(header, bytes_of(kMagic));
  append(header, sha256_of({key, content}));

  // Random: in containers every process may have the same number.
  const std::string part = fmt::format("{}.{}{}", name, std::random_device()(), kPartSuffix);
  const Descriptor file(openat(directory_, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (*file < 0) return failed(part, errno);
  // Not synced: a file that a power cut leaves broken is found so by its digest.
  if (!write_all(*file, header) || !write_all(*file, content) ||
      renameat(directory_, part.c_str(), directory_, name.c_str()) != 0) {
    const int error = errno;
    unlinkat(directory_, part.c_str(), 0);
    failed(part, error);
  }
}

void DatabaseCache::prune() const {
  if (!enabled()) return;
  const int again = openat(directory_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return;
  const std::unique_ptr<DIR, CloseDirectory> listing(fdopendir(again));
  if (listing == nullptr) return (void)::close(again);
  const time_t now = time(nullptr);
  while (const dirent* entry = readdir(listing.get())) {
    const Kind kind = kind_of(entry->d_name);
    struct stat about;  // not there: another process prunes, too
    if (kind == Kind::kOther || fstatat(directory_, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const time_t kept = kind == Kind::kDatabase ? kUnusedDays * kDaySeconds : kPartSeconds;
    if (S_ISREG(about.st_mode) && now - about.st_mtime > kept) unlinkat(directory_, entry->d_name, 0);
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
