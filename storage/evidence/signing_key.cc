#include "storage/evidence/signing_key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/check.h"
#include "common/file.h"

namespace gatetape {
namespace {

constexpr size_t kKeyFileBytesMax = 64 << 10;
constexpr std::string_view kEndorsed = "endorsed ";

using KeyPointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using BioPointer = std::unique_ptr<BIO, decltype(&BIO_free)>;
using DigestPointer = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

EVP_PKEY* as_key(const std::shared_ptr<void>& key) {
  return static_cast<EVP_PKEY*>(key.get());
}

KeyPointer public_evp_key(const Ed25519Key& key) {
  KeyPointer made(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()), EVP_PKEY_free);
  GT_CHECK(made != nullptr);
  return made;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

// No note can be mistaken for it: those begin with an origin, "gatetape/…".
std::string endorsement_message(const Ed25519Key& key) {
  return "gatetape key endorsement 1\n" + base64(key) + "\n";
}

template <size_t N>
bool read_base64(std::string_view text, std::array<uint8_t, N>& out) {
  const auto bytes = from_base64(text);
  if (!bytes || bytes->size() != N) return false;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return true;
}

bool parse_line(std::string_view line, KeyEndorsement& e) {
  line.remove_prefix(kEndorsed.size());
  const size_t by = line.find(" by "), signature = line.find(" signature ");
  if (by == std::string_view::npos || signature == std::string_view::npos || signature < by) return false;
  return read_base64(line.substr(0, by), e.key) && read_base64(line.substr(by + 4, signature - by - 4), e.previous) &&
         read_base64(line.substr(signature + 11), e.signature) && e.verified();
}

// A text that holds a private key; wiped when it is no longer needed.
struct Secret {
  std::string text;
  ~Secret() { OPENSSL_cleanse(text.data(), text.size()); }
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  operator int() const { return fd_; }

 private:
  const int fd_;
};

Result<void> read_private_file(const std::string& path, std::string& text) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (fd < 0 || ::fstat(fd, &status) != 0) return fail_with(errno, "{}", path);
  if (!S_ISREG(status.st_mode)) return fail("{}: not a regular file", path);
  if (status.st_mode & 077) {
    return fail("{}: others may read or change this key (mode {:04o}); its mode should be 0600", path,
                status.st_mode & 07777);
  }
  text.assign(kKeyFileBytesMax, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_with(errno, "{}", path);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  text.resize(size);
  return {};
}

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_with(errno, "{}", path);
    text.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd) != 0) return fail_with(errno, "{}", path);
  return {};
}

Result<void> make_private_directories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail_with(errno, "{}", part);
    if (end == std::string::npos) return {};
  }
}

}  // namespace

std::string key_fingerprint(const Ed25519Key& key) {
  // The DER of every Ed25519 public key begins with these bytes (RFC 8410).
  std::vector<uint8_t> der = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
  der.insert(der.end(), key.begin(), key.end());
  return hex(sha256(der));
}

std::optional<Ed25519Key> public_key_from_pem(std::string_view text) {
  const BioPointer bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  GT_CHECK(bio != nullptr);
  const KeyPointer evp(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (evp == nullptr || EVP_PKEY_get_base_id(evp.get()) != EVP_PKEY_ED25519) return std::nullopt;
  Ed25519Key key;
  size_t size = key.size();
  if (EVP_PKEY_get_raw_public_key(evp.get(), key.data(), &size) != 1 || size != key.size()) return std::nullopt;
  return key;
}

std::string public_key_pem(const Ed25519Key& key) {
  const KeyPointer evp = public_evp_key(key);
  const BioPointer bio(BIO_new(BIO_s_mem()), BIO_free);
  GT_CHECK(bio != nullptr && PEM_write_bio_PUBKEY(bio.get(), evp.get()) == 1);
  return text_of(bio.get());
}

bool verify_signature(const Ed25519Key& key, std::string_view message, const Ed25519Signature& signature) {
  const KeyPointer evp = public_evp_key(key);
  const DigestPointer context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  GT_CHECK(context != nullptr);
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, evp.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                          reinterpret_cast<const uint8_t*>(message.data()), message.size()) == 1;
}

bool KeyEndorsement::verified() const {
  return verify_signature(previous, endorsement_message(key), signature);
}

std::string KeyEndorsement::line() const {
  return fmt::format("{}{} by {} signature {}\n", kEndorsed, base64(key), base64(previous), base64(signature));
}

std::optional<std::vector<KeyEndorsement>> endorsements_in(std::string_view text) {
  std::vector<KeyEndorsement> endorsements;
  for (size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    const std::string_view line = text.substr(0, end);
    if (line.starts_with(kEndorsed) && !parse_line(line, endorsements.emplace_back())) return std::nullopt;
  }
  return endorsements;
}

SigningKey::SigningKey(void* key) : key_(key, [](void* held) { EVP_PKEY_free(static_cast<EVP_PKEY*>(held)); }) {
  size_t size = public_key_.size();
  GT_CHECK(EVP_PKEY_get_raw_public_key(as_key(key_), public_key_.data(), &size) == 1 && size == public_key_.size());
}

std::string SigningKey::default_path() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr && value[0] == '/' ? value : "";
  };
  if (const std::string config = variable("XDG_CONFIG_HOME"); !config.empty()) return config + "/gatetape/signing-key";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.config/gatetape/signing-key";
  return "/var/lib/gatetape-key/signing-key";
}

SigningKey SigningKey::generate() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  GT_CHECK(key != nullptr);
  return SigningKey(key);
}

Result<SigningKey> SigningKey::load(const std::string& path) {
  Secret file;
  if (auto read = read_private_file(path, file.text); !read) return pass_on(read);
  const BioPointer bio(BIO_new_mem_buf(file.text.data(), static_cast<int>(file.text.size())), BIO_free);
  GT_CHECK(bio != nullptr);
  const auto no_password = [](char*, int, int, void*) { return -1; };
  KeyPointer evp(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr), EVP_PKEY_free);
  if (evp == nullptr || EVP_PKEY_get_base_id(evp.get()) != EVP_PKEY_ED25519) {
    return fail("{}: holds no Ed25519 private key in PEM", path);
  }
  SigningKey key(evp.release());
  auto endorsements = endorsements_in(file.text);
  if (!endorsements) return fail("{}: a damaged endorsement", path);
  key.endorsements_ = std::move(*endorsements);
  if (!key.endorsements_.empty() && key.endorsements_.back().key != key.public_key_) {
    return fail("{}: its last endorsement is of another key", path);
  }
  return key;
}

Result<SigningKey> SigningKey::load_or_make(const std::string& path, bool& made) {
  made = false;
  auto loaded = load(path);
  if (loaded || loaded.error().code != ENOENT) return loaded;
  if (auto directory = make_private_directories(parent_directory(path)); !directory) return pass_on(directory);
  SigningKey key = generate();
  if (auto saved = key.save(path); !saved) return pass_on(saved);
  made = true;
  return key;
}

Result<void> SigningKey::save(const std::string& path) const {
  const BioPointer bio(BIO_new(BIO_s_secmem()), BIO_free);
  GT_CHECK(bio != nullptr);
  GT_CHECK(PEM_write_bio_PrivateKey(bio.get(), as_key(key_), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  Secret file{text_of(bio.get())};
  for (const KeyEndorsement& endorsement : endorsements_) file.text += endorsement.line();
  const std::string unfinished = path + ".new";
  if (::unlink(unfinished.c_str()) != 0 && errno != ENOENT) return fail_with(errno, "{}", unfinished);
  const Descriptor fd(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd < 0) return fail_with(errno, "{}", unfinished);
  auto written = write_all(fd, file.text, unfinished);
  if (!written) {
    ::unlink(unfinished.c_str());
    return written;
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return fail_with(errno, "{}", path);
  return system_files().sync_directory(parent_directory(path));
}

SigningKey SigningKey::successor() const {
  SigningKey next = generate();
  next.endorsements_ = endorsements_;
  next.endorsements_.push_back({next.public_key_, public_key_, sign(endorsement_message(next.public_key_))});
  return next;
}

Ed25519Signature SigningKey::sign(std::string_view message) const {
  Ed25519Signature signature;
  size_t size = signature.size();
  const DigestPointer context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  GT_CHECK(context != nullptr);
  GT_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, as_key(key_)) == 1);
  GT_CHECK(EVP_DigestSign(context.get(), signature.data(), &size, reinterpret_cast<const uint8_t*>(message.data()),
                          message.size()) == 1);
  return signature;
}

std::string SigningKey::sign(const CheckpointText& checkpoint) const {
  return sign_note(checkpoint.origin, checkpoint.text());
}

std::string SigningKey::sign_note(std::string_view origin, const std::string& text) const {
  return text + "\n" + sign_note_line(origin, public_key_, sign(text));
}

}  // namespace gatetape
