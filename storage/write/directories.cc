#include "storage/write/directories.h"

#include <algorithm>
#include <cerrno>

#include "common/log.h"

namespace gatetape {

Directories::Directories(FileSystem& files, Clock& clock, std::string content, std::vector<std::string> paths)
    : files_(files), clock_(clock), content_(std::move(content)) {
  for (std::string& path : paths) {
    Directory directory;
    if (const auto status = files.status(path)) directory.identity = status->identity;
    directory.path = std::move(path);
    directories_.push_back(std::move(directory));
  }
}

void Directories::leave_out(const std::string& path, const Error& why,
                            std::function<Result<void>(const std::string&)> admit) {
  std::lock_guard lock(mutex_);
  for (Directory& directory : directories_) {
    if (directory.path != path) continue;
    directory.identity.reset();
    directory.admit = admit;
    directory.failures = 1;  // it is set aside without another try, and said once by who found it
    set_aside_locked(directory, why);
  }
}

Result<std::string> Directories::choose(size_t preferred) {
  for (size_t i = 0; i < 2 * directories_.size(); i++) {  // the first failure of each may be a passing one
    Directory& directory = directories_[(preferred + i) % directories_.size()];
    if (!may_be_tried(directory)) continue;
    const Result<void> admitted = admit(directory);
    const auto status = files_.status(directory.path);  // without the lock: a disk that hangs holds up its own writer
    const std::lock_guard lock(mutex_);
    if (!admitted) {
      set_aside_locked(directory, admitted.error());
      continue;
    }
    if (!status) {
      set_aside_locked(directory, status.error());
    } else if (status->identity != directory.identity.value_or(status->identity)) {
      set_aside_locked(directory, Error{directory.path + ": another directory than at the start", ENODEV});
    } else {
      directory.identity = status->identity;
      return directory.path;
    }
  }
  const std::lock_guard lock(mutex_);
  return tl::unexpected<Error>(directories_[preferred % directories_.size()].why);
}

Result<void> Directories::admit(Directory& directory) {
  std::unique_lock lock(mutex_);
  const auto ask = directory.admit;
  lock.unlock();
  if (!ask) return {};
  const Result<void> admitted = ask(directory.path);
  lock.lock();
  if (admitted) directory.admit = nullptr;
  return admitted;
}

bool Directories::may_be_tried(const Directory& directory) const {
  const std::lock_guard lock(mutex_);
  return directory.failures <= 1 || clock_.monotonic_ns() >= directory.again_ns;
}

bool Directories::any_usable() const {
  return std::ranges::any_of(directories_, [this](const Directory& directory) { return may_be_tried(directory); });
}

void Directories::set_aside(const std::string& path, const Error& why) {
  std::lock_guard lock(mutex_);
  for (Directory& directory : directories_) {
    if (directory.path == path) set_aside_locked(directory, why);
  }
}

void Directories::set_aside_locked(Directory& directory, Error why) {
  constexpr unsigned kDoublings = 3;
  directory.failed_ns = clock_.monotonic_ns();
  if (directory.failures++ == 0) {
    log_error("store: {}", why.message);
    add_event("disk.failed", why.message);
  } else if (directory.failures == 2) {
    log_error("store: {} takes no {} for now: {}", directory.path, content_, why.message);
    add_event("disk.set_aside", content_ + ": " + why.message);
  }
  if (directory.failures > 1) {
    directory.again_ns = directory.failed_ns + (kNanosecondsPerSecond << std::min(directory.failures - 2, kDoublings));
  }
  directory.why = std::move(why);
}

void Directories::worked(const std::string& path) {
  std::lock_guard lock(mutex_);
  for (Directory& directory : directories_) {
    if (directory.path != path || directory.failures == 0) continue;
    if (clock_.monotonic_ns() - directory.failed_ns < kNanosecondsPerSecond) continue;
    if (directory.failures > 1) {
      log_warning("store: {} takes {} again", path, content_);
      add_event("disk.used_again", content_ + ": " + path);
    }
    directory.failures = 0;
  }
}

void Directories::add_event(std::string name, std::string detail) {
  if (events_.size() < kEventsMax) events_.emplace_back(std::move(name), std::move(detail));
}

std::vector<std::pair<std::string, std::string>> Directories::take_events() {
  std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

}  // namespace gatetape
