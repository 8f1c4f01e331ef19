#include "storage/write/housekeeper.h"

#include <algorithm>
#include <chrono>

#include "common/log.h"
#include "common/thread_name.h"
#include "storage/write/segment_seal.h"

namespace gatetape {
namespace {

constexpr int64_t kSealPause_ns = 4 * kNanosecondsPerSecond;  // between two tries of a seal

Ring::Segment entry_of(const SegmentFile& segment) {
  Ring::Segment entry;
  entry.sequence = segment.header().sequence;
  entry.path = segment.path();
  entry.bytes = segment.bytes();
  entry.kind = segment.header().kind;
  entry.pinned = segment.header().retention == RetentionClass::kPinned;
  entry.time_min_ns = segment.content().first_ns;
  entry.time_max_ns = segment.content().last_ns;
  return entry;
}

}  // namespace

Housekeeper::Housekeeper(FileSystem& files, Ring& ring, Clock& clock, Notary* notary, unsigned sync_interval_s,
                         Unsafe unsafe)
    : files_(files),
      ring_(ring),
      clock_(clock),
      notary_(notary),
      sync_interval_ns_(int64_t{sync_interval_s} * kNanosecondsPerSecond),
      unsafe_(std::move(unsafe)),
      synced_ns_(clock.monotonic_ns()) {}

void Housekeeper::start() {
  thread_ = std::thread([this] {
    name_this_thread("gt-store-seal");
    run();
  });
}

Housekeeper::~Housekeeper() {
  (void)stop();
}

void Housekeeper::opened(std::shared_ptr<SegmentFile> segment) {
  std::lock_guard lock(mutex_);
  new_names_[parent_directory(segment->path())].push_back(segment);
  open_.emplace(segment->header().sequence, std::move(segment));
}

void Housekeeper::finished(std::shared_ptr<SegmentFile> segment) {
  ring_.expect_sealed();
  std::lock_guard lock(mutex_);
  open_.erase(segment->header().sequence);
  to_seal_.push_back(std::move(segment));
  wake_.notify_one();
}

void Housekeeper::drain() {
  if (!thread_.joinable()) {
    while (seal_next()) {
    }
    (void)end_round(true);
    return;
  }
  std::unique_lock lock(mutex_);
  ++draining_;
  wake_.notify_one();
  drained_.wait(lock, [&] { return draining_ == 0; });
}

Result<void> Housekeeper::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) {
    thread_.join();
  } else {
    drain();
  }
  return first_failure_;
}

void Housekeeper::note(const Result<void>& result) {
  if (result) return;
  log_error("{}", result.error().message);
  std::lock_guard lock(mutex_);
  if (first_failure_) first_failure_ = result;
}

void Housekeeper::seal(const std::shared_ptr<SegmentFile>& segment) {
  Ring::Segment entry = entry_of(*segment);
  bool safe = true;
  const Result<void> sealed = seal_and_sync(*segment, entry, safe);
  if (sealed && notary_ != nullptr) notary_->sealed({*entry.facts, clock_.wall_ns(), false});
  note(sealed);
  segment->close();
  if (!sealed && safe) {
    unsealed_.push_back(segment);
    seal_again_ns_ = clock_.monotonic_ns() + kSealPause_ns;
  }
  unsafe_seals_ += !sealed && !safe;
  ring_.add_sealed(std::move(entry), segment->bytes());
}

// The hindrance may have passed. Segments that the ring evicted meanwhile need none any more.
void Housekeeper::seal_again(bool last) {
  if (unsealed_.empty() || (!last && clock_.monotonic_ns() < seal_again_ns_)) return;
  for (const auto& segment : std::exchange(unsealed_, {})) {
    if (ring_.expect_sealed_again(entry_of(*segment))) {
      seal(segment);
    } else if (files_.entry_status(segment->path())) {
      unsealed_.push_back(segment);
    }
  }
}

// Completes the ring's entry. A segment that the disk did not confirm does not count as sealed: nothing is signed that
// may be gone tomorrow.
Result<void> Housekeeper::seal_and_sync(SegmentFile& segment, Ring::Segment& entry, bool& safe) {
  // An index takes some per mille of a segment: a full disk can make room for it.
  auto sealed =
      ring_.with_room(parent_directory(segment.path()), false, [&] { return seal_segment(files_, segment.path()); });
  Result<void> synced;
  SegmentContent unsafe;
  if (sealed) {
    entry.bytes = sealed->file_bytes;
    synced = sealed->synced;
    const SegmentContent content = segment.take_unsynced();
    synced ? segment.note_safe(content) : unsafe.add(content);
    // A power cut must not take the name of what the ledger lists.
    if (synced) synced = sync_name(segment, unsafe);
  } else {
    synced = segment.sync(unsafe);  // the packets are there, only the index is not
  }
  if (!synced) unsafe_(segment, unsafe, synced.error());
  safe = synced.has_value();
  if (!sealed) return pass_on(sealed);
  if (synced) entry.facts = facts_of(*sealed, segment.path());
  return synced;
}

Result<void> Housekeeper::sync_name(SegmentFile& segment, SegmentContent& unsafe) {
  const std::string directory = parent_directory(segment.path());
  {
    std::lock_guard lock(mutex_);
    const auto names = new_names_.find(directory);
    const auto is_it = [&](const auto& other) { return other.get() == &segment; };
    if (names == new_names_.end() || std::ranges::none_of(names->second, is_it)) return {};
    std::erase_if(names->second, is_it);
  }
  Result<void> synced = files_.sync_directory(directory);
  if (!synced) unsafe.add(segment.take_all());
  return synced;
}

void Housekeeper::sync_open() {
  std::vector<std::shared_ptr<SegmentFile>> segments;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [sequence, segment] : open_) segments.push_back(segment);
  }
  for (const auto& segment : segments) {
    SegmentContent unsafe;
    const Result<void> synced = segment->sync(unsafe);
    note(synced);
    if (!synced) unsafe_(*segment, unsafe, synced.error());
  }
  sync_directories();
}

// New names. Where they may not be on the disk, neither may what the files hold.
void Housekeeper::sync_directories() {
  std::map<std::string, std::vector<std::shared_ptr<SegmentFile>>> directories;
  {
    std::lock_guard lock(mutex_);
    directories.swap(new_names_);
  }
  for (const auto& [directory, segments] : directories) {
    const Result<void> synced = files_.sync_directory(directory);
    note(synced);
    if (synced) continue;
    for (const auto& segment : segments) unsafe_(*segment, segment->take_all(), synced.error());
  }
}

bool Housekeeper::seal_next() {
  std::shared_ptr<SegmentFile> segment;
  {
    std::lock_guard lock(mutex_);
    if (to_seal_.empty()) return false;
    segment = std::move(to_seal_.front());
    to_seal_.pop_front();
  }
  seal(segment);
  return true;
}

bool Housekeeper::end_round(bool draining) {
  if (task_) task_();
  seal_again(draining);
  if (draining) {
    sync_directories();
    return false;
  }
  const int64_t now_ns = clock_.monotonic_ns();
  if (now_ns - synced_ns_ < sync_interval_ns_) return false;
  sync_open();
  synced_ns_ = now_ns;
  return true;
}

void Housekeeper::run() {
  constexpr auto kRound = std::chrono::milliseconds(200);
  std::unique_lock lock(mutex_);
  for (bool stopping = false; !stopping;) {
    wake_.wait_for(lock, kRound, [&] { return stopping_ || draining_ != 0 || !to_seal_.empty(); });
    stopping = stopping_;
    const bool draining = stopping || draining_ != 0;
    lock.unlock();
    while (seal_next()) {
    }
    (void)end_round(draining);
    lock.lock();
    if (draining) {
      draining_ = 0;
      drained_.notify_all();
    }
  }
}

Housekeepers::Housekeepers(FileSystem& files, Ring& ring, Clock& clock, Notary* notary, unsigned sync_interval_s,
                           const std::vector<std::string>& directories, const Housekeeper::Unsafe& unsafe) {
  for (const std::string& directory : directories) {
    keepers_.push_back(std::make_unique<Housekeeper>(files, ring, clock, notary, sync_interval_s, unsafe));
    by_directory_[directory] = keepers_.back().get();
  }
}

void Housekeepers::start() {
  for (auto& keeper : keepers_) keeper->start();
}

void Housekeepers::opened(std::shared_ptr<SegmentFile> segment) {
  Housekeeper& keeper = of(*segment);
  keeper.opened(std::move(segment));
}

void Housekeepers::finished(std::shared_ptr<SegmentFile> segment) {
  Housekeeper& keeper = of(*segment);
  keeper.finished(std::move(segment));
}

void Housekeepers::drain() {
  for (auto& keeper : keepers_) keeper->drain();
}

Result<void> Housekeepers::stop() {
  Result<void> first;
  for (auto& keeper : keepers_) {
    const Result<void> stopped = keeper->stop();
    if (first) first = stopped;
  }
  return first;
}

uint32_t Housekeepers::unsealed() const {
  uint32_t sum = 0;
  for (const auto& keeper : keepers_) sum += keeper->unsealed();
  return sum;
}

bool Housekeepers::seal_next() {
  return std::ranges::any_of(keepers_, [](const auto& keeper) { return keeper->seal_next(); });
}

bool Housekeepers::end_round() {
  bool synced = true;
  for (auto& keeper : keepers_) synced &= keeper->end_round(false);
  return synced;
}

}  // namespace gatetape
