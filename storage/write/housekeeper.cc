#include "storage/write/housekeeper.h"

#include <chrono>

#include "common/log.h"
#include "common/thread_name.h"
#include "storage/write/segment_seal.h"

namespace gatetape {

Housekeeper::Housekeeper(FileSystem& files, Ring& ring, Clock& clock, Notary* notary, unsigned sync_interval_s)
    : files_(files),
      ring_(ring),
      clock_(clock),
      notary_(notary),
      sync_interval_ns_(int64_t{sync_interval_s} * kNanosecondsPerSecond) {}

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
  changed_directories_.insert(parent_directory(segment->path()));
  open_.emplace(segment->header().sequence, std::move(segment));
}

void Housekeeper::finished(std::shared_ptr<SegmentFile> segment) {
  ring_.expect_sealed();
  std::lock_guard lock(mutex_);
  open_.erase(segment->header().sequence);
  to_seal_.push_back(std::move(segment));
  wake_.notify_one();
}

Result<void> Housekeeper::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  return first_failure_;
}

void Housekeeper::note(const Result<void>& result) {
  if (result) return;
  log_error("{}", result.error().message);
  std::lock_guard lock(mutex_);
  if (first_failure_) first_failure_ = result;
}

void Housekeeper::seal(SegmentFile& segment) {
  Ring::Segment entry{segment.header().sequence, segment.path(), segment.bytes(),
                      segment.header().retention == RetentionClass::kPinned, std::nullopt};
  auto sealed = seal_segment(files_, segment.path());
  // An index takes some per mille of a segment: a full disk can make room for it.
  while (!sealed && is_out_of_space(sealed.error()) && ring_.evict_oldest(parent_directory(segment.path())))
    sealed = seal_segment(files_, segment.path());
  if (sealed) {
    entry.bytes = sealed->file_bytes;
    if (notary_ != nullptr) {
      entry.facts = facts_of(*sealed, segment.path());
      notary_->sealed({*entry.facts, clock_.wall_ns(), false});
    }
  } else {
    unsealed_++;
    note(pass_on(sealed));
  }
  ring_.add_sealed(std::move(entry), segment.bytes());
}

void Housekeeper::sync_open() {
  std::vector<std::shared_ptr<SegmentFile>> segments;
  std::set<std::string> directories;
  {
    std::lock_guard lock(mutex_);
    directories.swap(changed_directories_);
    for (const auto& [sequence, segment] : open_) segments.push_back(segment);
  }
  for (const auto& segment : segments) note(segment->sync());
  for (const std::string& directory : directories) note(files_.sync_directory(directory));
}

void Housekeeper::run() {
  constexpr auto kRound = std::chrono::milliseconds(200);
  int64_t synced_ns = clock_.monotonic_ns();
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait_for(lock, kRound, [&] { return stopping_ || !to_seal_.empty(); });
    while (!to_seal_.empty()) {
      const auto segment = std::move(to_seal_.front());
      to_seal_.pop_front();
      lock.unlock();
      seal(*segment);
      lock.lock();
    }
    if (stopping_) return;
    lock.unlock();
    if (task_) task_();
    if (notary_ != nullptr) notary_->tick();
    if (const int64_t now_ns = clock_.monotonic_ns(); now_ns - synced_ns >= sync_interval_ns_) {
      sync_open();
      synced_ns = now_ns;
    }
    lock.lock();
  }
}

}  // namespace gatetape
