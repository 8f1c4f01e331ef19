// gatetape key: the sensor's signing key.
#include "cli/commands.h"
#include "storage/evidence/signing_key.h"

namespace gatetape {
namespace {

void print_key(const SigningKey& key) {
  fmt::print("fingerprint {}\n{}", key.fingerprint(), public_key_pem(key.public_key()));
  for (const KeyEndorsement& e : key.endorsements()) {
    fmt::print("{} was signed by {}\n", key_fingerprint(e.key), key_fingerprint(e.previous));
  }
}

class KeyCommand : public Command {
 public:
  void add_options(CommandLine& line) override {
    line.text("signing-key", "FILE", path_, "where the key lies (default: " + path_ + ")");
  }

  int run(const CommandLine& line) override {
    auto key = SigningKey::load(path_);
    if (!key) return line.failed(key.error());
    if (const Result<void> done = act_on(*key, path_); !done) return line.failed(done.error());
    print_key(*key);
    return kExitDone;
  }

 private:
  virtual Result<void> act_on(SigningKey& key, const std::string& path) = 0;

  std::string path_ = SigningKey::default_path();
};

class KeyShowCommand : public KeyCommand {
 public:
  CommandText text() const override {
    return {.command = "key show",
            .usage = "[--signing-key FILE]",
            .summary = "Prints the key's fingerprint, and the public key in PEM for openssl.",
            .examples = "  gatetape key show\n"};
  }

 private:
  Result<void> act_on(SigningKey&, const std::string&) override { return {}; }
};

class KeyRotateCommand : public KeyCommand {
 public:
  CommandText text() const override {
    return {.command = "key rotate",
            .usage = "[--signing-key FILE]",
            .summary =
                "Replaces the key by a new one that the old one signs: whoever trusts the old fingerprint can "
                "go on to. The old private key is gone then. A capture that is running signs with the old key "
                "until it ends.",
            .examples = "  gatetape key rotate --signing-key /etc/gatetape/key\n"};
  }

 private:
  Result<void> act_on(SigningKey& key, const std::string& path) override {
    key = key.successor();
    return key.save(path);
  }
};

}  // namespace

std::unique_ptr<Command> command_key_show() {
  return std::make_unique<KeyShowCommand>();
}

std::unique_ptr<Command> command_key_rotate() {
  return std::make_unique<KeyRotateCommand>();
}

}  // namespace gatetape
