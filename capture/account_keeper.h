// Keeps the account where it survives a kill: takes it many times a second from who counts, and writes it into the
// store's account file (storage/write/account_file.h), on a thread of its own, which may wait for the disk. Workers are
// not involved: they publish their accounts in memory as ever.
//
// An account that cannot be written costs itself: it is counted, tried again each second, and said by the session.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "storage/write/account_file.h"

namespace gatetape {

class AccountKeeper {
 public:
  // Makes the file, which may take its time.
  using Open = std::function<Result<std::unique_ptr<AccountFile>>()>;
  // Returns the account as of now, one record for each worker; `last`: it will not change any more. Called on the
  // keeper's thread, and at last by end().
  using Take = std::function<std::vector<AccountRecord>(bool last)>;

  // A worker publishes its account every 20 ms when it is busy and after 5 when it is idle; an account is on its way to
  // the file for as long at most.
  static constexpr auto kInterval = std::chrono::milliseconds(10);

  AccountKeeper(Open open, Take take, Clock& clock) : open_(std::move(open)), take_(std::move(take)), clock_(clock) {}
  ~AccountKeeper() { stop(); }

  void start();
  // Ends the thread and writes the last words: of a run that ended properly, or of one that did not.
  void end(bool properly);

  // How often the file could not be made or written, and why at last. Any thread.
  uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }
  std::string failure() const;

 private:
  void run();
  void stop();
  void write(bool last, bool ended);
  void note(const Result<void>& done);

  const Open open_;
  const Take take_;
  Clock& clock_;
  std::unique_ptr<AccountFile> file_;  // the keeper's thread
  int64_t not_before_ns_ = 0;          // monotonic: after a failure, the next try
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::string failure_;
  std::atomic<uint64_t> failures_{0};
  std::thread thread_;
};

}  // namespace gatetape
