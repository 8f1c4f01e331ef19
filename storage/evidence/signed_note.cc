#include "storage/evidence/signed_note.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "common/time_text.h"

namespace gatetape {
namespace {

constexpr std::string_view kDash = "— ";  // U+2014 and a space: begins a signature's line
constexpr std::string_view kTime = "time ";
constexpr size_t kNoteBytesMax = 8192;

// Takes the next line, without its newline; nothing when no whole line is left.
std::optional<std::string_view> take_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

Result<CheckpointText> parse_checkpoint(std::string_view text) {
  CheckpointText checkpoint;
  const auto origin = take_line(text), size = take_line(text), root = take_line(text);
  if (!origin || !size || !root || origin->empty()) return fail("fewer than three lines");
  checkpoint.origin = *origin;
  const auto [end, error] = std::from_chars(size->data(), size->data() + size->size(), checkpoint.tree_size);
  if (error != std::errc() || end != size->data() + size->size() || (size->size() > 1 && size->front() == '0')) {
    return fail("the tree size is no number");
  }
  const auto digest = from_base64(*root);
  if (!digest || digest->size() != checkpoint.root.size()) return fail("the root is no hash");
  std::copy(digest->begin(), digest->end(), checkpoint.root.begin());
  while (const auto line = take_line(text)) {
    if (!line->starts_with(kTime)) continue;
    const auto time = parse_time(line->substr(kTime.size()), 0);
    if (!time) return fail("the line \"time\" holds no time");
    checkpoint.time_ns = *time;
  }
  return checkpoint;
}

}  // namespace

std::string base64(std::span<const uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(n));
  return text;
}

std::optional<std::vector<uint8_t>> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > kNoteBytesMax) return std::nullopt;
  std::vector<uint8_t> bytes(text.size() / 4 * 3);
  const int n =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const uint8_t*>(text.data()), static_cast<int>(text.size()));
  if (n < 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(static_cast<size_t>(n) - padding);
  if (base64(bytes) != text) return std::nullopt;  // one text per value: no other alphabet, no stray bits
  return bytes;
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string note_origin(const Uuid& store_uuid) {
  return "gatetape/" + hex(store_uuid);
}

std::string CheckpointText::text() const {
  return fmt::format("{}\n{}\n{}\n{}{}\n", origin, tree_size, base64(root), kTime, format_time(time_ns));
}

std::array<uint8_t, 4> note_key_id(std::string_view name, const Ed25519Key& key) {
  std::vector<uint8_t> message(name.begin(), name.end());
  message.push_back('\n');
  message.push_back(1);
  message.insert(message.end(), key.begin(), key.end());
  const Sha256Digest digest = sha256(message);
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string sign_note_line(std::string_view name, const Ed25519Key& key, const Ed25519Signature& signature) {
  const auto id = note_key_id(name, key);
  std::vector<uint8_t> bytes(id.begin(), id.end());
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  return fmt::format("{}{} {}\n", kDash, name, base64(bytes));
}

Result<std::vector<SignedNote::Signature>> parse_note_signatures(std::string_view lines) {
  std::vector<SignedNote::Signature> signatures;
  while (const auto line = take_line(lines)) {
    const size_t space = line->rfind(' ');
    if (!line->starts_with(kDash) || space < kDash.size()) return fail("a line after the text is no signature");
    const auto bytes = from_base64(line->substr(space + 1));
    if (!bytes) return fail("a signature is not base64");
    SignedNote::Signature signature;
    if (bytes->size() != signature.key_id.size() + signature.signature.size()) continue;
    signature.name = line->substr(kDash.size(), space - kDash.size());
    std::memcpy(signature.key_id.data(), bytes->data(), signature.key_id.size());
    std::memcpy(signature.signature.data(), bytes->data() + signature.key_id.size(), signature.signature.size());
    signatures.push_back(std::move(signature));
  }
  if (!lines.empty()) return fail("it ends inside a line");
  if (signatures.empty()) return fail("no signature");
  return signatures;
}

Result<SignedNote> SignedNote::parse(std::string_view note) {
  if (note.size() > kNoteBytesMax) return fail("longer than {} bytes", kNoteBytesMax);
  const size_t empty_line = note.find("\n\n");
  if (empty_line == std::string_view::npos) return fail("no signature");
  SignedNote out;
  out.signed_text = note.substr(0, empty_line + 1);
  auto checkpoint = parse_checkpoint(out.signed_text);
  if (!checkpoint) return pass_on(checkpoint);
  out.checkpoint = std::move(*checkpoint);
  auto signatures = parse_note_signatures(note.substr(empty_line + 2));
  if (!signatures) return pass_on(signatures);
  out.signatures = std::move(*signatures);
  return out;
}

const SignedNote::Signature* SignedNote::by(const Ed25519Key& key) const {
  for (const Signature& signature : signatures) {
    if (signature.key_id == note_key_id(signature.name, key)) return &signature;
  }
  return nullptr;
}

}  // namespace gatetape
