#include "storage/write/ring.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/log.h"
#include "common/thread_name.h"

namespace gatetape {
namespace {

constexpr uint64_t kAheadBytesMax = 64 << 20;
constexpr uint64_t kAheadShare = 16;  // so much of a part's size stays free
constexpr uint64_t kFloorShare = 8;   // so much of the most that a disk held stays
constexpr size_t kVictimsMax = 32;    // removed at once, so that one sync serves all of their tombstones

uint64_t ahead_of(uint64_t bytes_max) {
  return std::min(bytes_max / kAheadShare, kAheadBytesMax);
}

}  // namespace

Ring::Ring(FileSystem& files, std::vector<RingPart> parts) : files_(files), parts_(parts.size()) {
  uint64_t unknown = UINT64_MAX;  // a disk that does not say which it is stands alone
  for (size_t i = 0; i < parts.size(); i++) {
    parts_[i].bytes_max = parts[i].bytes_max;
    for (const std::string& directory : parts[i].directories) {
      const auto status = files.status(directory);
      places_[directory] = {&parts_[i], &disks_[status ? status->identity.device : unknown--]};
    }
  }
}

Ring::~Ring() {
  stop();
}

void Ring::start() {
  started_ = true;
  thread_ = std::thread([this] {
    name_this_thread("gt-store-evict");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      ahead_.wait(lock, [&] { return stopping_ || look_ahead_; });
      look_ahead_ = false;
      if (!stopping_) evict_ahead(lock);
    }
  });
}

void Ring::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    ahead_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Ring::count(const Place& place, uint64_t bytes) {
  place.part->bytes += bytes;
  place.disk->bytes += bytes;
  place.disk->most = std::max(place.disk->most, place.disk->bytes);
  if (place.part->bytes + ahead_of(place.part->bytes_max) <= place.part->bytes_max) return;
  look_ahead_ = true;
  ahead_.notify_one();
}

void Ring::uncount(const Place& place, uint64_t bytes) {
  place.part->bytes -= bytes;
  place.disk->bytes -= bytes;
}

void Ring::note_open(uint64_t sequence, int64_t first_ns) {
  std::lock_guard lock(mutex_);
  open_[sequence] = first_ns;
}

void Ring::expect_sealed() {
  std::lock_guard lock(mutex_);
  ++expected_;
}

bool Ring::expect_sealed_again(const Segment& segment) {
  std::lock_guard lock(mutex_);
  if (sealed_.erase(segment) + stuck_.erase(segment) == 0) return false;
  ++expected_;
  if (segment.kind == SegmentKind::kPackets) open_[segment.sequence] = segment.time_min_ns;
  return true;
}

void Ring::add_sealed(Segment segment, uint64_t bytes_counted) {
  std::lock_guard lock(mutex_);
  expected_ -= expected_ != 0;  // segments of earlier runs were not expected
  open_.erase(segment.sequence);
  count(place_of(segment), segment.bytes - std::min(segment.bytes, bytes_counted));
  if (const auto pin = pins_.find(segment.sequence); pin != pins_.end()) {
    if (const auto checked = check_pin(segment, pin->second); !checked) {
      log_warning("{} is not pinned: {}", segment.path, checked.error().message);
      if (notary_ != nullptr) notary_->unpinned(segment.sequence, pin->second, checked.error().message);
      pins_.erase(pin);
    }
  }
  sealed_.insert(std::move(segment));
  changed_.notify_all();
}

void Ring::wait_for_seal(std::unique_lock<std::mutex>& lock) {
  if (!seal_one_ || expected_ == 0) return changed_.wait(lock);
  lock.unlock();
  seal_one_();
  lock.lock();
}

Result<void> Ring::reserve(const std::string& directory, uint64_t bytes) {
  std::unique_lock lock(mutex_);
  const Place& place = places_.at(directory);
  const Part& part = *place.part;
  while (part.bytes + bytes > part.bytes_max) {
    const auto wanted = [&](const Segment& segment) { return place_of(segment).part == &part; };
    if (evict(lock, EvictionReason::kRingFull, part.bytes + bytes - part.bytes_max, wanted)) continue;
    if (part.bytes + bytes <= part.bytes_max) break;  // another thread made room meanwhile
    if (expected_ == 0 && leaving_ == 0) {
      return fail("the ring of {} bytes is full and holds nothing but pinned and open segments", part.bytes_max);
    }
    wait_for_seal(lock);
  }
  count(place, bytes);
  return {};
}

void Ring::unreserve(const std::string& directory, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  uncount(places_.at(directory), bytes);
}

bool Ring::make_room(const std::string& directory, bool may_wait) {
  std::unique_lock lock(mutex_);
  const Disk& disk = *places_.at(directory).disk;
  const auto wanted = [&](const Segment& segment) {
    return place_of(segment).disk == &disk && disk.bytes >= segment.bytes + disk.most / kFloorShare;
  };
  const uint64_t evicted = evicted_;
  while (!evict(lock, EvictionReason::kDiskFull, 1, wanted)) {
    if (evicted_ != evicted) return true;  // another thread made room meanwhile
    if (leaving_ == 0 && (!may_wait || expected_ == 0)) return false;
    wait_for_seal(lock);
  }
  return true;
}

void Ring::evict_ahead(std::unique_lock<std::mutex>& lock) {
  for (Part& part : parts_) {
    const uint64_t wanted_bytes = part.bytes_max - ahead_of(part.bytes_max);
    const auto wanted = [&](const Segment& segment) { return place_of(segment).part == &part; };
    while (!stopping_ && part.bytes > wanted_bytes &&
           evict(lock, EvictionReason::kRingFull, part.bytes - wanted_bytes, wanted)) {
    }
  }
}

bool Ring::has_packets_of(const Segment& records) const {
  const auto is_of_its_time = [&](const Segment& segment) {
    return segment.kind == SegmentKind::kPackets && segment.time_min_ns <= records.time_max_ns &&
           segment.time_max_ns >= records.time_min_ns;
  };
  return std::any_of(open_.begin(), open_.end(), [&](const auto& one) { return one.second <= records.time_max_ns; }) ||
         std::any_of(sealed_.begin(), sealed_.end(), is_of_its_time) ||
         std::any_of(stuck_.begin(), stuck_.end(), is_of_its_time);
}

uint64_t Ring::record_bytes(const Part* part) const {
  uint64_t bytes = 0;
  for (const Segment& segment : sealed_) {
    bytes += segment.kind == SegmentKind::kRecords && place_of(segment).part == part ? segment.bytes : 0;
  }
  return bytes;
}

bool Ring::may_go(const Segment& segment) const {
  if (is_pinned(segment)) return false;
  if (segment.kind == SegmentKind::kPackets || !has_packets_of(segment)) return true;
  const Part* part = place_of(segment).part;
  return record_bytes(part) > part->bytes_max / 2;
}

std::vector<Ring::Segment> Ring::take_victims(std::set<Segment>& from, uint64_t bytes, const Wanted& wanted) {
  std::vector<Segment> victims;
  uint64_t taken = 0;
  for (auto at = from.begin(); at != from.end() && taken < bytes && victims.size() < kVictimsMax;) {
    if (!wanted(*at) || !may_go(*at)) {
      ++at;
      continue;
    }
    victims.push_back(std::move(from.extract(at++).value()));
    taken += victims.back().bytes;
  }
  return victims;
}

bool Ring::evict(std::unique_lock<std::mutex>& lock, EvictionReason reason, uint64_t bytes, const Wanted& wanted) {
  while (true) {
    std::vector<Segment> victims = take_victims(sealed_, bytes, wanted);
    if (victims.empty()) break;
    if (remove(lock, reason, std::move(victims))) return true;
  }
  if (remove(lock, reason, take_victims(stuck_, bytes, wanted))) return true;
  if (std::any_of(stuck_.begin(), stuck_.end(), wanted) || expected_ != 0 || leaving_ != 0) return false;
  // Where there are no packets that could go, now or later, records go before the store stands still.
  const auto records = std::find_if(sealed_.begin(), sealed_.end(), [&](const Segment& segment) {
    return segment.kind == SegmentKind::kRecords && wanted(segment) && !is_pinned(segment);
  });
  if (records == sealed_.end()) return false;
  std::vector<Segment> victims;
  victims.push_back(std::move(sealed_.extract(records).value()));
  return remove(lock, reason, std::move(victims));
}

// False when none of them could be removed: they are stuck.
bool Ring::remove(std::unique_lock<std::mutex>& lock, EvictionReason reason, std::vector<Segment> victims) {
  if (victims.empty()) return false;
  leaving_ += static_cast<unsigned>(victims.size());
  std::vector<SegmentFacts> tombstones;
  for (Segment& segment : victims) {
    leaving_numbers_.insert(segment.sequence);
    // Once: a file that cannot be removed keeps its tombstone, and is still there to be verified.
    if (segment.facts) tombstones.push_back(*std::exchange(segment.facts, std::nullopt));
  }
  lock.unlock();
  if (notary_ != nullptr && !tombstones.empty()) notary_->evicted(tombstones, reason);
  std::vector<Result<void>> results;
  for (const Segment& segment : victims) results.push_back(files_.remove(segment.path));
  if (notary_ != nullptr) notary_->room_was_made();
  lock.lock();
  bool any = false;
  for (size_t i = 0; i < victims.size(); i++) {
    Segment& segment = victims[i];
    leaving_numbers_.erase(segment.sequence);
    if (!results[i] && results[i].error().code != ENOENT) {
      if (!segment.said_stuck) log_warning("cannot be evicted: {}", results[i].error().message);
      segment.said_stuck = true;
      stuck_.insert(std::move(segment));
      continue;
    }
    any = true;
    uncount(place_of(segment), segment.bytes);
    evicted_++;
    if (evicted_names_.size() < kNamesMax) evicted_names_.push_back(segment.path);
  }
  leaving_ -= static_cast<unsigned>(victims.size());
  changed_.notify_all();
  return any;
}

uint64_t Ring::pinned_bytes_locked(const Part* part) const {
  uint64_t bytes = 0;
  for (const std::set<Segment>* segments : {&sealed_, &stuck_}) {
    for (const Segment& segment : *segments) {
      const bool counts = is_pinned(segment) && (part == nullptr || place_of(segment).part == part);
      bytes += counts ? segment.bytes : 0;
    }
  }
  return bytes;
}

// Whether a segment that is not pinned may be.
Result<void> Ring::check_pin(const Segment& segment, const Uuid& pinned) const {
  if (segment.facts && segment.facts->uuid != pinned) return fail("the segment of that number is another one");
  const Part* part = place_of(segment).part;
  const uint64_t itself = sealed_.contains(segment) && is_pinned(segment) ? segment.bytes : 0;
  const uint64_t with_it = pinned_bytes_locked(part) - itself + segment.bytes;
  if (with_it <= part->bytes_max / 2) return {};
  return fail("with it pins would fill {} bytes, more than half of the ring of {}", with_it, part->bytes_max);
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
  if (leaving_numbers_.contains(sequence)) return fail("it is being evicted");
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
  return pinned_bytes_locked(nullptr);
}

uint64_t Ring::bytes() const {
  std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const Part& part : parts_) bytes += part.bytes;
  return bytes;
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
