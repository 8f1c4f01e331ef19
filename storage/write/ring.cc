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
  if (const auto pin = pins_.find(segment.sequence); pin != pins_.end()) {
    if (const auto checked = check_pin(segment, pin->second); !checked) {
      log_warning("{} is not pinned: {}", segment.path, checked.error().message);
      if (notary_ != nullptr) notary_->unpinned(segment.sequence, pin->second, checked.error().message);
      pins_.erase(pin);
    }
  }
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

bool Ring::evict_oldest(const std::string& directory, bool may_wait) {
  std::unique_lock lock(mutex_);
  while (!evict_oldest_locked(EvictionReason::kDiskFull, &directory)) {
    if (!may_wait || expected_ == 0) return false;
    sealed_one_.wait(lock);
  }
  return true;
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
    if (is_pinned(*at) || (directory != nullptr && parent_directory(at->path) != *directory)) {
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

uint64_t Ring::pinned_bytes_locked() const {
  uint64_t bytes = 0;
  for (const std::set<Segment>* segments : {&sealed_, &stuck_}) {
    for (const Segment& segment : *segments) bytes += is_pinned(segment) ? segment.bytes : 0;
  }
  return bytes;
}

// Whether a segment that is not pinned may be.
Result<void> Ring::check_pin(const Segment& segment, const Uuid& pinned) const {
  if (segment.facts && segment.facts->uuid != pinned) return fail("the segment of that number is another one");
  const uint64_t before = pinned_bytes_locked() - (sealed_.contains(segment) && is_pinned(segment) ? segment.bytes : 0);
  if (before + segment.bytes <= bytes_max_ / 2) return {};
  return fail("with it pins would fill {} bytes, more than half of the ring of {}", before + segment.bytes, bytes_max_);
}

Result<void> Ring::pin(uint64_t sequence, const Uuid& segment, bool on) {
  std::lock_guard lock(mutex_);
  if (!on) {
    pins_.erase(sequence);
    return {};
  }
  if (const auto known = pins_.find(sequence); known != pins_.end()) {
    if (known->second != segment) return fail("the segment of that number is another one");
    return {};
  }
  if (pins_.size() >= kPinsMax) return fail("{} segments are pinned already", pins_.size());
  const auto sealed =
      std::find_if(sealed_.begin(), sealed_.end(), [&](const Segment& s) { return s.sequence == sequence; });
  if (sealed != sealed_.end()) {
    if (auto checked = check_pin(*sealed, segment); !checked) return checked;
  }
  pins_.emplace(sequence, segment);
  return {};
}

void Ring::restore_pins(const std::map<uint64_t, Uuid>& pins) {
  std::lock_guard lock(mutex_);
  for (const auto& pin : pins) {
    if (pins_.size() < kPinsMax) pins_.insert(pin);
  }
}

uint64_t Ring::pinned_bytes() const {
  std::lock_guard lock(mutex_);
  return pinned_bytes_locked();
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
