// The sensor's Ed25519 key (RFC 8032, by OpenSSL): made at the first start, kept outside the store, replaced by a key
// that it signs.
//
// The file is the private key in PEM, readable by its owner alone, and below it a line per earlier key: how each was
// replaced, so that a ledger that was last written under an earlier key can say so. OpenSSL's tools read it as it is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "storage/evidence/signed_note.h"

namespace gatetape {

// SHA-256 of the public key in DER (SubjectPublicKeyInfo), in hex: what
//   openssl pkey -in KEY -pubout -outform DER | sha256sum
// prints. It names a key to people.
std::string key_fingerprint(const Ed25519Key& key);
std::string public_key_pem(const Ed25519Key& key);
// Nothing when the text is no Ed25519 public key in PEM.
std::optional<Ed25519Key> public_key_from_pem(std::string_view text);

bool verify_signature(const Ed25519Key& key, std::string_view message, const Ed25519Signature& signature);

// `key` replaces `previous`, which signed that.
struct KeyEndorsement {
  Ed25519Key key{}, previous{};
  Ed25519Signature signature{};

  bool verified() const;
  // "endorsed KEY by PREVIOUS signature SIGNATURE", in base64, as a line.
  std::string line() const;
};
// Those among the lines of a text; nothing when one of them is damaged or false.
std::optional<std::vector<KeyEndorsement>> endorsements_in(std::string_view text);

class SigningKey {
 public:
  // $XDG_CONFIG_HOME/gatetape/signing-key, else $HOME/.config/…, else /var/lib/gatetape-key/signing-key.
  static std::string default_path();

  static SigningKey generate();
  // Fails when the file is missing (ENOENT), is no key, or others than its owner may read it.
  static Result<SigningKey> load(const std::string& path);
  // Loads it, or makes a new key where there is no file; `made` says which. A new file, and directories that were
  // missing, belong to the caller alone.
  static Result<SigningKey> load_or_make(const std::string& path, bool& made);
  // Writes the file anew, whole or not at all.
  Result<void> save(const std::string& path) const;

  // A new key, endorsed by this one. It knows this one's endorsements, too; the private part of this one is not in it.
  SigningKey successor() const;

  const Ed25519Key& public_key() const { return public_key_; }
  std::string fingerprint() const { return key_fingerprint(public_key_); }
  // Oldest first; the last one's `key` is this key.
  const std::vector<KeyEndorsement>& endorsements() const { return endorsements_; }
  Ed25519Signature sign(std::string_view message) const;
  // The checkpoint as a note, signed.
  std::string sign(const CheckpointText& checkpoint) const;
  // Any other text that ends with a newline, as a note of that origin.
  std::string sign_note(std::string_view origin, const std::string& text) const;

 private:
  explicit SigningKey(void* key);  // an EVP_PKEY, which becomes this object's

  std::shared_ptr<void> key_;  // EVP_PKEY
  Ed25519Key public_key_{};
  std::vector<KeyEndorsement> endorsements_;
};

}  // namespace gatetape
