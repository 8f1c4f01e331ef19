// Keys and signed notes: what is signed is verified, by us and by openssl; a new key is signed by the old one.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "storage/evidence/signing_key.h"
#include "tests/storage/store_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

CheckpointText some_checkpoint() {
  CheckpointText checkpoint{note_origin(Uuid{1, 2, 3}), 42, {}, 1'795'000'000'123'456'789};
  checkpoint.root.fill(7);
  return checkpoint;
}

std::vector<uint8_t> bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

}  // namespace

TEST_CASE("a signed checkpoint says what was signed, and each changed byte is found", "[note]") {
  const SigningKey key = SigningKey::generate(), other = SigningKey::generate();
  const CheckpointText checkpoint = some_checkpoint();
  const std::string text = key.sign(checkpoint);
  const auto note = SignedNote::parse(text);
  REQUIRE(note);
  CHECK(note->checkpoint.text() == checkpoint.text());
  CHECK(note->signed_text == checkpoint.text());
  CHECK(note->by(other.public_key()) == nullptr);
  const auto* signature = note->by(key.public_key());
  REQUIRE(signature != nullptr);
  CHECK(verify_signature(key.public_key(), note->signed_text, signature->signature));
  CHECK(!verify_signature(other.public_key(), note->signed_text, signature->signature));
  for (size_t byte = 0; byte < text.size(); byte++) {
    CAPTURE(byte);
    std::string changed = text;
    changed[byte] = static_cast<char>(changed[byte] ^ 1 << byte % 7);
    const auto read = SignedNote::parse(changed);
    const auto* found = read ? read->by(key.public_key()) : nullptr;
    CHECK((found == nullptr || !verify_signature(key.public_key(), read->signed_text, found->signature)));
  }
}

TEST_CASE("a key is made once, belongs to its owner alone, and is read back", "[key]") {
  TemporaryDirectory directory;
  const std::string path = directory.path("deep/down/key");
  bool made = false;
  const auto key = SigningKey::load_or_make(path, made);
  REQUIRE(key);
  CHECK(made);
  struct stat status;
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  REQUIRE(::stat(directory.path("deep/down").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
  const auto again = SigningKey::load_or_make(path, made);
  REQUIRE(again);
  CHECK(!made);
  CHECK(again->public_key() == key->public_key());
  CHECK(again->fingerprint().size() == 64);

  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  CHECK(!SigningKey::load(path));
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  for (const char* text : {"", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    write_file(path, bytes_of(text));
    CHECK(!SigningKey::load_or_make(path, made));  // a damaged key is not replaced
    CHECK(read_file(path) == bytes_of(text));
  }
}

TEST_CASE("a key that replaces another is endorsed by it, over any number of steps", "[key]") {
  TemporaryDirectory directory;
  const std::string path = directory.path("key");
  const SigningKey first = SigningKey::generate(), second = first.successor(), third = second.successor();
  REQUIRE(third.save(path));
  const auto loaded = SigningKey::load(path);
  REQUIRE(loaded);
  REQUIRE(loaded->endorsements().size() == 2);
  CHECK(loaded->endorsements()[0].previous == first.public_key());
  CHECK(loaded->endorsements()[0].key == second.public_key());
  CHECK(loaded->endorsements()[1].previous == second.public_key());
  CHECK(loaded->endorsements()[1].key == third.public_key());
  for (const KeyEndorsement& endorsement : loaded->endorsements()) CHECK(endorsement.verified());
  KeyEndorsement forged = loaded->endorsements()[1];
  forged.key = SigningKey::generate().public_key();
  CHECK(!forged.verified());

  std::vector<uint8_t> text = read_file(path);
  text[text.size() - 20] ^= 1;  // in the last endorsement's signature
  write_file(path, text);
  CHECK(!SigningKey::load(path));
}

TEST_CASE("stock openssl verifies a checkpoint and names the key alike", "[note][openssl]") {
  TemporaryDirectory directory;
  const SigningKey key = SigningKey::generate();
  REQUIRE(key.save(directory.path("key")));
  const auto note = SignedNote::parse(key.sign(some_checkpoint()));
  REQUIRE(note);
  const auto& signature = note->by(key.public_key())->signature;
  write_file(directory.path("text"), bytes_of(note->signed_text));
  write_file(directory.path("signature"), {signature.begin(), signature.end()});
  write_file(directory.path("public.pem"), bytes_of(public_key_pem(key.public_key())));
  const std::string verify = "cd " + directory.path(".") +
                             " && openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in text -sigfile signature";
  int status = -1;
  CHECK(run_command(verify, &status).find("Verified Successfully") != std::string::npos);
  CHECK(status == 0);
  write_file(directory.path("text"), bytes_of(note->signed_text + " "));
  run_command(verify + " 2>/dev/null", &status);
  CHECK(status != 0);
  const std::string digest =
      run_command("openssl pkey -in " + directory.path("key") + " -pubout -outform DER | sha256sum");
  CHECK(digest.substr(0, 64) == key.fingerprint());
}
