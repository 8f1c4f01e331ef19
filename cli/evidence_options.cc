#include "cli/evidence_options.h"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "common/clock.h"
#include "common/log.h"
#include "export/checkpoint_target.h"
#include "storage/evidence/ledger_verify.h"

namespace gatetape {
namespace {

constexpr unsigned kIntervalMax_s = 24 * 3600;

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

// The path without links, as far as they can be followed: there may be no right to look.
std::filesystem::path without_links(const std::string& path) {
  std::error_code error;
  const auto canonical = std::filesystem::weakly_canonical(path, error);
  return error ? std::filesystem::absolute(path, error).lexically_normal() : canonical;
}

bool lies_in(const std::string& path, const std::string& directory) {
  const auto relative = without_links(path).lexically_relative(without_links(directory));
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

std::string user_name() {
  passwd entry{}, *found = nullptr;
  char buffer[4096];
  if (::getpwuid_r(::getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr) return found->pw_name;
  return fmt::format("uid {}", ::getuid());
}

LedgerFacts run_facts() {
  return {{"build", GATETAPE_VERSION}, {"host", host_name()}, {"operator", user_name()}};
}

void EvidenceCommandOptions::add_to(CommandLine& line) {
  line.text(
      "signing-key", "FILE", key_path,
      "the Ed25519 key that signs the store's ledger; made when missing (default: " + SigningKey::default_path() + ")");
  const auto take_place = [this](const std::string& place) -> Result<void> {
    if (auto target = checkpoint_target(place); !target) return pass_on(target);
    checkpoint_to.push_back(place);
    return {};
  };
  line.take_each(
      "checkpoint-to", "FILE|syslog:ADDR|unix:PATH", take_place,
      "hand each signed checkpoint out, best to another machine: only so can be shown later that nothing was "
      "cut off. FILE is appended to; syslog: is a datagram to an IP address, with or without :PORT; unix: is "
      "a stream socket on which a program of yours listens at PATH and gets a line each");
  line.number("checkpoint-interval", "SECONDS", checkpoint_interval_s, 1, kIntervalMax_s,
              "how often what was sealed is signed, beside at each seal");
}

std::vector<std::string> EvidenceCommandOptions::files() const {
  std::vector<std::string> files;
  for (const std::string& place : checkpoint_to) {
    if (takes_whole_notes(place) && place != "-") files.push_back(place);
  }
  return files;
}

Result<void> CheckpointOutlets::start(const std::vector<std::string>& places, const std::atomic<bool>& stop,
                                      const std::atomic<uint32_t>& reopen_count) {
  for (const std::string& place : places) {
    auto target = checkpoint_target(place);
    if (!target) return fail("--checkpoint-to {}: {}", place, target.error().message);
    auto outlet = std::make_unique<Outlet>("checkpoints", std::move(*target));
    if (auto started = outlet->start({.stop = &stop, .reopen_count = &reopen_count}); !started)
      return fail("--checkpoint-to {}", started.error().message);
    places_.push_back({std::move(outlet), takes_whole_notes(place)});
  }
  return {};
}

void CheckpointOutlets::hand_out(const std::string& note) {
  const int64_t now = wall_clock_ns();
  RecordBatch whole, line;
  for (std::string_view rest = note; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    whole.append(EventRecord{now, kEventCheckpoint, rest.substr(0, end)});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  whole.append(EventRecord{now, kEventCheckpoint, ""});  // an empty line between two notes
  const std::span bytes(reinterpret_cast<const uint8_t*>(note.data()), note.size());
  const std::string text = std::string(kNoteWord) + base64(bytes);
  line.append(EventRecord{now, kEventCheckpoint, text});
  for (Place& place : places_) (void)place.outlet->write(place.whole_notes ? whole : line);  // it counts what it loses
}

std::vector<Outlet*> CheckpointOutlets::outlets() const {
  std::vector<Outlet*> outlets;
  for (const Place& place : places_) outlets.push_back(place.outlet.get());
  return outlets;
}

std::string EvidenceCommandOptions::key_file() const {
  return key_path.empty() ? SigningKey::default_path() : key_path;
}

Result<void> EvidenceCommandOptions::check(const std::vector<std::string>& store_directories) const {
  for (const std::string& directory : store_directories) {
    if (!lies_in(key_file(), directory)) continue;
    return fail("the key {} must not lie in the store {}: who holds the one must not hold the other (--signing-key)",
                key_file(), directory);
  }
  return {};
}

Result<EvidenceOptions> EvidenceCommandOptions::prepare() const {
  EvidenceOptions options;
  options.checkpoint_interval_s = checkpoint_interval_s;
  options.run_facts = run_facts();
  const std::string path = key_file();
  bool made = false;
  auto key = SigningKey::load_or_make(path, made);
  if (!key && !key_path.empty()) return fail("--signing-key {}", key.error().message);
  if (!key) {
    log_warning("{}; nothing of this run will be signed (--signing-key names another place)", key.error().message);
    return options;
  }
  log_info("key fingerprint {} ({}{})", key->fingerprint(), path, made ? ", made now" : "");
  std::error_code error;
  options.run_facts.emplace_back("signing_key", std::filesystem::absolute(path, error).string());
  options.key = std::make_shared<const SigningKey>(std::move(*key));
  return options;
}

}  // namespace gatetape
