#include "storage/write/ring.h"

#include <algorithm>
#include <cerrno>

#include "common/log.h"

namespace gatetape {

void Ring::expect_sealed() {
  std::lock_guard lock(mutex_);
  ++expected_;
}

void Ring::add_sealed(Segment segment, uint64_t bytes_counted) {
  std::lock_guard lock(mutex_);
  expected_ -= expected_ != 0;  // segments of earlier runs were not expected
  sealed_one_.notify_all();
  bytes_ += segment.bytes - std::min(segment.bytes, bytes_counted);
  sealed_.insert(std::move(segment));
}

Result<void> Ring::reserve(uint64_t bytes) {
  std::unique_lock lock(mutex_);
  while (bytes_ + bytes > bytes_max_) {
    if (evict_oldest_locked(EvictionReason::kRingFull)) continue;
    if (expected_ == 0) {
      return fail("the ring of {} bytes is full and holds nothing but pinned and open segments", bytes_max_);
    }
    sealed_one_.wait(lock);
  }
  bytes_ += bytes;
  return {};
}

void Ring::unreserve(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  bytes_ -= bytes;
}

bool Ring::evict_oldest() {
  std::lock_guard lock(mutex_);
  return evict_oldest_locked(EvictionReason::kDiskFull);
}

bool Ring::evict_oldest_locked(EvictionReason reason) {
  const auto oldest = std::find_if(sealed_.begin(), sealed_.end(), [](const Segment& s) { return !s.pinned; });
  if (oldest == sealed_.end()) return false;
  if (notary_ != nullptr && oldest->facts) notary_->evicted(*oldest->facts, reason);
  const auto removed = files_.remove(oldest->path);
  if (!removed && removed.error().code != ENOENT) log_warning("cannot be evicted: {}", removed.error().message);
  bytes_ -= oldest->bytes;
  evicted_++;
  if (evicted_names_.size() < kNamesMax) evicted_names_.push_back(oldest->path);
  sealed_.erase(oldest);
  return true;
}

uint64_t Ring::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

uint64_t Ring::evicted() const {
  std::lock_guard lock(mutex_);
  return evicted_;
}

std::vector<std::string> Ring::take_evicted() {
  std::lock_guard lock(mutex_);
  return std::exchange(evicted_names_, {});
}

}  // namespace gatetape
