// gatetape key: the sensor's signing key.
#include <cstring>

#include "cli/commands.h"
#include "cli/options.h"
#include "storage/evidence/signing_key.h"

namespace gatetape {
namespace {

constexpr CommandText kShowText = {
    .command = "key show",
    .usage = "[--signing-key FILE]",
    .summary = "Prints the key's fingerprint, and the public key in PEM for openssl.",
    .examples = "  gatetape key show\n",
};

constexpr CommandText kRotateText = {
    .command = "key rotate",
    .usage = "[--signing-key FILE]",
    .summary =
        "Replaces the key by a new one that the old one signs: whoever trusts the old fingerprint can go on to. The "
        "old\n"
        "private key is gone then. A capture that is running signs with the old key until it ends.",
    .examples = "  gatetape key rotate --signing-key /etc/gatetape/key\n",
};

void print_key(const SigningKey& key) {
  fmt::print("fingerprint {}\n{}", key.fingerprint(), public_key_pem(key.public_key()));
  for (const KeyEndorsement& e : key.endorsements()) {
    fmt::print("{} was signed by {}\n", key_fingerprint(e.key), key_fingerprint(e.previous));
  }
}

int run(const CommandText& text, bool rotate, int argc, char** argv) {
  CommandLine line(text);
  std::string path = SigningKey::default_path();
  line.options().add_options()("signing-key", po::value(&path)->value_name("FILE")->default_value(path),
                               "where the key lies");
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  auto key = SigningKey::load(path);
  if (!key) return line.failed(key.error());
  if (rotate) {
    *key = key->successor();
    if (const auto saved = key->save(path); !saved) return line.failed(saved.error());
  }
  print_key(*key);
  return kExitDone;
}

}  // namespace

int command_key_show(int argc, char** argv) {
  return run(kShowText, false, argc, argv);
}

int command_key_rotate(int argc, char** argv) {
  return run(kRotateText, true, argc, argv);
}

}  // namespace gatetape
