// Checkpoints as signed notes (C2SP tlog-checkpoint and signed-note): three lines of text (origin, size, root), lines
// of our own, an empty line, and a signature over all text before that empty line. Pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "storage/format/format.h"

namespace gatetape {

using Ed25519Key = std::array<uint8_t, 32>;  // public
using Ed25519Signature = std::array<uint8_t, 64>;

// The name of a store's log and of its signer in notes: "gatetape/" and the store's uuid in hex.
std::string note_origin(const Uuid& store_uuid);

struct CheckpointText {
  std::string origin;
  uint64_t tree_size = 0;
  Sha256Digest root{};
  int64_t time_ns = 0;  // when it was made; the fourth line, "time …"

  // Returns the signed text, which ends with a newline.
  std::string text() const;
};

struct SignedNote {
  CheckpointText checkpoint;
  std::string signed_text;
  struct Signature {
    std::string name;
    std::array<uint8_t, 4> key_id{};
    Ed25519Signature signature{};
  };
  std::vector<Signature> signatures;  // those of another length than ours are left out

  // Fails with what is wrong with it. Lines after the time are let pass.
  static Result<SignedNote> parse(std::string_view note);
  // The signature that names this key; nullptr when there is none. It is not verified.
  const Signature* by(const Ed25519Key& key) const;
};

// The lines after a note's empty line. Fails with what is wrong with them.
Result<std::vector<SignedNote::Signature>> parse_note_signatures(std::string_view lines);

// H(name || "\n" || 0x01 || key), its first four bytes.
std::array<uint8_t, 4> note_key_id(std::string_view name, const Ed25519Key& key);
std::string sign_note_line(std::string_view name, const Ed25519Key& key, const Ed25519Signature& signature);

std::string base64(std::span<const uint8_t> bytes);
std::optional<std::vector<uint8_t>> from_base64(std::string_view text);
std::string hex(std::span<const uint8_t> bytes);

}  // namespace gatetape
