#include "storage/write/ring.h"

#include <algorithm>
#include <cerrno>
#include <utility>

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
    if (evict_oldest_locked(EvictionReason::kRingFull, nullptr)) continue;
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

bool Ring::evict_oldest(const std::string& directory) {
  std::lock_guard lock(mutex_);
  return evict_oldest_locked(EvictionReason::kDiskFull, &directory);
}

bool Ring::evict_oldest_locked(EvictionReason reason, const std::string* directory) {
  if (evict_one_of(sealed_, reason, directory)) return true;
  std::set<Segment> again = std::exchange(stuck_, {});
  const bool evicted = evict_one_of(again, reason, directory);
  stuck_.merge(again);
  return evicted;
}

// Removes the oldest that can be removed. Those before it move to stuck_.
bool Ring::evict_one_of(std::set<Segment>& segments, EvictionReason reason, const std::string* directory) {
  for (auto at = segments.begin(); at != segments.end();) {
    if (at->pinned || (directory != nullptr && parent_directory(at->path) != *directory)) {
      ++at;
      continue;
    }
    Segment segment = std::move(segments.extract(at++).value());
    // The tombstone comes first, and once: a file that cannot be removed keeps it and is still there to be verified.
    if (notary_ != nullptr && segment.facts) notary_->evicted(*std::exchange(segment.facts, std::nullopt), reason);
    const auto removed = files_.remove(segment.path);
    if (!removed && removed.error().code != ENOENT) {
      if (!segment.said_stuck) log_warning("cannot be evicted: {}", removed.error().message);
      segment.said_stuck = true;
      stuck_.insert(std::move(segment));
      continue;
    }
    bytes_ -= segment.bytes;
    evicted_++;
    if (evicted_names_.size() < kNamesMax) evicted_names_.push_back(segment.path);
    return true;
  }
  return false;
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
