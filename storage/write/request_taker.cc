#include "storage/write/request_taker.h"

#include <algorithm>
#include <cerrno>

#include "common/log.h"
#include "common/time_text.h"

namespace gatetape {
namespace {

constexpr size_t kNamesMax = 4096;                                // looked at in one round
constexpr size_t kTakenMax = 64;                                  // taken in one round
constexpr int64_t kEntryCost_ns = kNanosecondsPerSecond / 2;      // two entries a second ...
constexpr int64_t kAllowanceMax_ns = 512 * kEntryCost_ns;         // ... and so many at once
constexpr int64_t kUnfinishedMax_ns = 5 * kNanosecondsPerSecond;  // to write one file
constexpr uint32_t kRightsForGroup = 03730;                       // its own files only: sticky; of that group

}  // namespace

RequestTaker::RequestTaker(FileSystem& files, const std::string& directory, Notary& notary, Clock& clock,
                           PinSegment pin)
    : files_(files),
      directory_(directory + "/" + kRequestDirectory),
      notary_(notary),
      clock_(clock),
      pin_(std::move(pin)),
      allowance_ns_(kAllowanceMax_ns),
      counted_ns_(clock.monotonic_ns()) {}

void RequestTaker::open_to_group() {
  auto made = files_.make_directories(directory_);
  if (made) made = files_.set_rights(directory_, kRightsForGroup);
  if (!made) log_warning("{}: extractions by others cannot be noted in the ledger", made.error().message);
}

// The ledger grows by no more than this, whoever asks. What has to wait stays where it is.
bool RequestTaker::allowed() {
  const int64_t now = clock_.monotonic_ns();
  allowance_ns_ = std::min(allowance_ns_ + std::max<int64_t>(now - counted_ns_, 0), kAllowanceMax_ns);
  counted_ns_ = now;
  return allowance_ns_ >= kEntryCost_ns;
}

Result<LedgerContent> RequestTaker::read(const std::string& path, uint32_t& owner) {
  auto file = files_.open_to_read(path);
  if (!file) return pass_on(file);
  const auto status = (*file)->status();
  if (!status) return tl::unexpected(status.error());
  owner = status->owner;
  std::vector<uint8_t> bytes(kRequestBytesMax + 1);
  const auto got = (*file)->read_at(0, bytes);
  if (!got) return tl::unexpected(got.error());
  return parse_request(std::span(bytes).first(*got));
}

RequestTaker::Fate RequestTaker::take(const std::string& path, std::vector<LedgerContent>& entries) {
  uint32_t owner = 0;
  auto content = read(path, owner);
  if (!content && content.error().code == EAGAIN) {
    const auto [since, is_new] = unfinished_.try_emplace(path, clock_.monotonic_ns());
    if (clock_.monotonic_ns() - since->second < kUnfinishedMax_ns) return Fate::kLater;
  }
  unfinished_.erase(path);
  if (!content) return Fate::kRefused;
  if (auto* custody = std::get_if<Custody>(&*content)) {
    if (custody->facts.size() > kLedgerFactsMax - 2) custody->facts.resize(kLedgerFactsMax - 2);
    custody->facts.emplace_back("uid", std::to_string(owner));
    custody->facts.emplace_back("received", format_time(clock_.wall_ns()));
  }
  if (auto* pin = std::get_if<Pin>(&*content)) {
    pin->who += fmt::format(" (uid {})", owner);
    if (auto pinned = pin_(*pin); !pinned) {
      log_warning("{} is not {}pinned: {}", pin->sequence, pin->pinned ? "" : "un", pinned.error().message);
      // A refusal is in the ledger, too: it leaves the segment as it was.
      pin->reason = fmt::format("refused: {}; asked for: {}", pinned.error().message, pin->reason);
      pin->pinned = !pin->pinned;
    }
  }
  entries.push_back(std::move(*content));
  return Fate::kTaken;
}

void RequestTaker::take() {
  const auto names = files_.list_some(directory_, kNamesMax);
  if (!names || names->empty()) return unfinished_.clear();
  std::vector<LedgerContent> entries;
  std::vector<std::string> done;
  for (const std::string& name : *names) {
    if (done.size() == kTakenMax || !allowed()) break;
    const std::string path = directory_ + "/" + name;
    if (noted_.contains(path)) continue;
    const Fate fate = take(path, entries);
    if (fate == Fate::kTaken) {
      allowance_ns_ -= kEntryCost_ns;
      done.push_back(path);
    } else if (fate == Fate::kRefused) {
      if (refused_++ % 1000 == 0) log_warning("{}: not a request; {} such files so far", path, refused_);
      remove(path);
    }
  }
  if (unfinished_.size() > kNamesMax) unfinished_.clear();
  // Else they stay, and are taken again when the ledger can be written.
  if (entries.empty() || !notary_.record(entries)) return;
  taken_ += entries.size();
  for (const std::string& path : done) remove(path);
}

void RequestTaker::take_all() {
  for (uint64_t before = taken_ + 1; before != taken_;) {
    before = taken_;
    take();
  }
}

// A file that cannot be removed is not taken twice.
void RequestTaker::remove(const std::string& path) {
  const auto removed = files_.remove(path);
  if (removed || removed.error().code == ENOENT) return;
  if (noted_.size() < kNamesMax) noted_.insert(path);
  if (!std::exchange(said_stuck_, true)) log_warning("{}: what cannot be removed there stays", removed.error().message);
}

}  // namespace gatetape
