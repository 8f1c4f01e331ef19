#include "capture/account_keeper.h"

#include "common/thread_name.h"

namespace gatetape {

void AccountKeeper::start() {
  write(false, false);
  thread_ = std::thread([this] {
    name_this_thread("gt-account");
    run();
  });
}

void AccountKeeper::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kInterval, [this] { return stopping_; })) {
    lock.unlock();
    write(false, false);
    lock.lock();
  }
}

void AccountKeeper::stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void AccountKeeper::end(bool properly) {
  stop();
  not_before_ns_ = 0;
  write(true, properly);
}

void AccountKeeper::write(bool last, bool ended) {
  constexpr int64_t kRetry_ns = kNanosecondsPerSecond;
  if (clock_.monotonic_ns() < not_before_ns_) return;
  Result<void> done;
  if (file_ == nullptr) {
    auto opened = open_();
    if (opened) {
      file_ = std::move(*opened);
    } else {
      done = pass_on(opened);
    }
  }
  if (done) {
    const int64_t now_ns = clock_.wall_ns();
    for (const AccountRecord& record : take_(last)) {
      if (done) done = file_->write(record, now_ns, ended);
    }
  }
  if (done) return;
  not_before_ns_ = clock_.monotonic_ns() + kRetry_ns;
  note(done);
}

void AccountKeeper::note(const Result<void>& done) {
  std::lock_guard lock(mutex_);
  failure_ = done.error().message;
  failures_.fetch_add(1, std::memory_order_relaxed);
}

std::string AccountKeeper::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace gatetape
