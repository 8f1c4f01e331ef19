#include "tests/simulator/trouble.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/file.h"
#include "storage/format/format.h"

namespace gatetape::simulator {
namespace {

using Files = test::SimulatedFiles;
using Operation = Files::Operation;

constexpr const char* kOperations[] = {"open",   "create", "read", "write", "truncate", "sync", "fstat", "lock",
                                       "rename", "remove", "list", "mkdir", "syncdir",  "stat", "chmod", "free space"};

constexpr uint64_t kFrameBytesMax = 64 << 10;  // a frame of this traffic is smaller

// As often as they stand here.
constexpr std::array kErrors = {EIO,   EIO,    EIO,    EIO,    ENOSPC, ENOSPC, EDQUOT, EROFS,  EACCES,
                                EPERM, ENODEV, EMFILE, ENFILE, ENOMEM, EINTR,  EAGAIN, ESTALE, EFBIG};

bool is_read(Operation operation) {
  return operation == Operation::kOpen || operation == Operation::kRead || operation == Operation::kFileStatus ||
         operation == Operation::kList || operation == Operation::kStatus || operation == Operation::kFreeSpace;
}

}  // namespace

bool is_segment(const std::string& path) {
  return path.ends_with(".gtp") || path.ends_with(".gtr");
}

uint64_t segment_bytes(const test::SimulatedFiles& files, const std::string& directory) {
  uint64_t sum = 0;
  files.for_each_file(directory, [&](const std::string& path, uint64_t bytes) { sum += is_segment(path) ? bytes : 0; });
  return sum;
}

Trouble::Trouble(Random random, Files& files, std::function<void(const std::string&)> say)
    : random_(random), files_(files), say_(std::move(say)) {
  files_.set_fault([this](const Files::Call& call) { return decide(call); });
}

void Trouble::fail_one_in(uint64_t n, int code) {
  one_in_ = n;
  code_ = code;
}

void Trouble::revive() {
  dead_ = false;
  dies_at_ = UINT64_MAX;
  times_full_ = 0;
  times_full_seen_ = files_.times_full();
}

Files::Outcome Trouble::decide(const Files::Call& call) {
  if (paused_) return {};
  if (dead_) return {EIO, 0, false};
  largest_write_ = std::max(largest_write_, call.bytes);
  if (++calls_ > dies_at_) {
    dead_ = true;
    const size_t torn = random_.below(call.bytes + 1);
    say_(fmt::format("  the machine dies in {} {}, after {} bytes", kOperations[static_cast<size_t>(call.operation)],
                     call.path, torn));
    return {EIO, torn, false};
  }
  const Files::Outcome outcome = failure_of(call);
  if (outcome.code != 0) {
    failures_++;
    sync_failures_ += call.operation == Operation::kSync || call.operation == Operation::kSyncDirectory;
    ledger_failures_ += file_name(call.path).starts_with("ledger");
    read_failures_ += is_read(call.operation);
    times_full_ += outcome.code == ENOSPC || outcome.code == EDQUOT;
    say_(fmt::format("  {} {} fails: {}, {} bytes written", kOperations[static_cast<size_t>(call.operation)], call.path,
                     std::strerror(outcome.code), outcome.bytes_written));
    return outcome;
  }
  if (call.operation == Operation::kRemove && is_segment(call.path)) judge_removal(call.path);
  return {};
}

Files::Outcome Trouble::failure_of(const Files::Call& call) {
  if (one_in_ == 0 || !random_.one_in(one_in_)) return {};
  if (only_ && *only_ != call.operation) return {};
  const int code = code_ != 0 ? code_ : kErrors[random_.below(kErrors.size())];
  return {code, random_.one_in(2) ? 0 : random_.below(call.bytes + 1)};
}

// Only a lack of room may cost what was recorded: the ring is full, or the disk said so.
void Trouble::judge_removal(const std::string& path) {
  const std::string directory = parent_directory(path);
  size_t header_bytes = 0;
  if (!SegmentHeader::parse(files_.content(path), header_bytes)) return;  // a crash took its header
  say_(fmt::format("  {} is evicted", path));
  removed_.insert(path);
  for (const Bounds& bounds : bounds_) {
    if (bounds.directory != directory) continue;
    const uint64_t held = segment_bytes(files_, directory);
    if (held + kFrameBytesMax <= bounds.ring_bytes && times_full_ == 0 && files_.times_full() == times_full_seen_) {
      violation_ = fmt::format("{} was evicted, though the ring holds {} of {} bytes and no disk was full", path, held,
                               bounds.ring_bytes);
    }
  }
  times_full_ = 0;
  times_full_seen_ = files_.times_full();
}

}  // namespace gatetape::simulator
