#include "export/outlet.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/thread_name.h"

namespace gatetape {
namespace {

using Steady = std::chrono::steady_clock;

// A target that failed is tried again after this.
constexpr std::chrono::milliseconds kRetryPause{200};
constexpr std::chrono::milliseconds kReopenPause{1000};
constexpr size_t kBatchOverheadBytes = 128;  // cost of a queued batch beside its bytes

OutletLoss cause_of(int error) {
  switch (error) {
    case EAGAIN:
      return OutletLoss::kStalled;
    case EPIPE:
    case ENXIO:
      return OutletLoss::kNoReader;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return OutletLoss::kNoSpace;
    default:
      return OutletLoss::kError;
  }
}

// Waiting a moment does not mend it.
bool lasts(OutletLoss cause) {
  return cause == OutletLoss::kNoSpace || cause == OutletLoss::kError;
}

size_t bytes_of(const RecordBatch& batch) {
  return batch.size_bytes() + kBatchOverheadBytes;
}

}  // namespace

const char* to_string(OutletLoss cause) {
  static constexpr std::array<const char*, kOutletLossCount> kNames = {"stalled", "no_reader", "no_space", "error",
                                                                       "stopped"};
  return kNames[static_cast<size_t>(cause)];
}

uint64_t OutletCounts::lost_total() const {
  return std::accumulate(lost.begin(), lost.end(), uint64_t{0});
}

std::string OutletCounts::lost_text() const {
  std::string causes;
  for (size_t i = 0; i < lost.size(); ++i) {
    if (lost[i] == 0) continue;
    causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", to_string(static_cast<OutletLoss>(i)), lost[i]);
  }
  return fmt::format("{} ({})", lost_total(), causes);
}

// State that the outlet and its thread share. Everything below `mutex` is guarded by it.
struct Outlet::Shared {
  enum class Next { kText, kNothing, kOver };

  Shared(std::string name, std::unique_ptr<OutletTarget> its_target, const OutletOptions& its_options)
      : target(std::move(its_target)), options(its_options) {
    counts.name = std::move(name);
    counts.path = target->path();
  }

  // The outlet's thread.
  void run();
  Next next_text();
  void push_text();
  void after_progress(size_t bytes);
  void after_error(int error);
  void follow_path(bool create);
  void serve_reopen();

  // With the mutex held.
  bool stopped();
  bool room_for(size_t bytes) const { return queue.empty() || queued_bytes + bytes <= options.queue_bytes_max; }
  bool worth_waiting();
  bool given_up();
  OutletLoss cause_now();
  void push(const RecordBatch& batch);
  void push_loss_event();
  // Returns the message about a trouble, or nothing where it was printed before.
  std::string announcement(OutletLoss cause, int error);

  const std::unique_ptr<OutletTarget> target;
  const OutletOptions options;
  OutletStart start;
  std::thread thread;
  // The thread's own.
  std::string text;
  size_t taken = 0;  // bytes of `text`
  uint32_t reopens_seen = 0;
  bool reopen_wanted = false;  // it was asked for, but failed
  Steady::time_point reopen_tried = Steady::now();

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<RecordBatch> queue;
  size_t queued_bytes = 0;
  OutletCounts counts;
  uint64_t lost_unsaid = 0;           // since the last "outlet.lost" event in the queue
  std::optional<OutletLoss> trouble;  // the target takes nothing, for this reason
  Steady::time_point last_progress = Steady::now();
  std::optional<Steady::time_point> stop_seen;
  std::array<bool, kOutletLossCount> announced{};
  bool ended = false;       // no more records will come
  bool tried_last = false;  // ... and the target failed once more since then
  bool abandoned = false;   // nobody waits for the thread any more
  bool finished = false;    // the thread touches the target no more
  Result<void> failure;     // when a required target fails
};

bool Outlet::Shared::stopped() {
  if (start.stop == nullptr || !start.stop->load(std::memory_order_relaxed)) return false;
  if (!stop_seen) stop_seen = Steady::now();
  return true;
}

bool Outlet::Shared::worth_waiting() {
  if (!failure || stopped()) return false;
  if (options.required) return true;
  if (trouble && lasts(*trouble)) return false;
  return Steady::now() - last_progress < options.patience;
}

bool Outlet::Shared::given_up() {
  if (stopped() && Steady::now() - *stop_seen >= options.patience_at_stop) return true;
  if (!failure) return true;
  if (options.required) return false;
  if (trouble && lasts(*trouble)) return tried_last;
  return Steady::now() - last_progress >= options.patience;
}

OutletLoss Outlet::Shared::cause_now() {
  if (trouble) return *trouble;
  const bool moves = Steady::now() - last_progress < options.patience;
  return stopped() && moves ? OutletLoss::kStopped : OutletLoss::kStalled;
}

void Outlet::Shared::push(const RecordBatch& batch) {
  queue.push_back(batch);
  queued_bytes += bytes_of(batch);
  changed.notify_all();
}

void Outlet::Shared::push_loss_event() {
  if (lost_unsaid == 0) return;
  RecordBatch event;
  const std::string detail = fmt::format("{}: {} lost", counts.name, counted(lost_unsaid, "record", "records"));
  event.append(EventRecord{wall_clock_ns(), kEventOutletLost, detail});
  lost_unsaid = 0;
  ++counts.offered;
  push(event);
}

std::string Outlet::Shared::announcement(OutletLoss cause, int error) {
  bool& said = announced[static_cast<size_t>(cause)];
  if (said || options.required) return "";
  said = true;
  const std::string why = cause == OutletLoss::kStalled    ? "it takes nothing, or too slowly"
                          : cause == OutletLoss::kNoReader ? "the pipe has no reader"
                                                           : std::string(std::strerror(error));
  return fmt::format("{}: {}: {}; recording goes on, records wait for it in memory, and are lost when that is full",
                     counts.name, counts.path, why);
}

// Waits for records for a moment; nothing: ask again.
Outlet::Shared::Next Outlet::Shared::next_text() {
  RecordBatch batch;
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kTargetWait, [&] { return abandoned || ended || !queue.empty(); });
    (void)stopped();  // notes when it was seen first
    last_progress = Steady::now();
    if (abandoned || (ended && queue.empty())) return Next::kOver;
    if (queue.empty()) return Next::kNothing;
    batch = std::move(queue.front());
    queue.pop_front();
    queued_bytes -= bytes_of(batch);
    changed.notify_all();
  }
  text.clear();
  taken = 0;
  const Result<void> read = for_each_record(batch.bytes(), [&](const Record& record) { target->render(text, record); });
  if (!read) log_error("{}: {}", counts.name, read.error().message);
  return Next::kText;
}

void Outlet::Shared::after_progress(size_t bytes) {
  const auto begin = text.begin() + static_cast<std::ptrdiff_t>(taken);
  const auto lines = std::count(begin, begin + static_cast<std::ptrdiff_t>(bytes), '\n');
  taken += bytes;
  std::lock_guard lock(mutex);
  (void)stopped();
  counts.written += static_cast<uint64_t>(lines);
  trouble.reset();
  last_progress = Steady::now();
}

void Outlet::Shared::after_error(int error) {
  std::string say;
  {
    std::unique_lock lock(mutex);
    (void)stopped();
    const OutletLoss cause = cause_of(error);
    const bool only_slow = cause == OutletLoss::kStalled && Steady::now() - last_progress < options.patience;
    if (!only_slow) {
      if (!trouble) ++counts.troubles;
      trouble = cause;
      say = announcement(cause, error);
    }
    // A reader that has not come yet, or reads slowly, is waited for; the reader of standard output never comes back.
    const bool waits = cause == OutletLoss::kStalled || error == ENXIO;
    if (options.required && !waits) failure = fail_with(error, "{}", counts.path);
    if (ended) tried_last = true;
    changed.notify_all();
    if (cause != OutletLoss::kStalled) {
      changed.wait_for(lock, kRetryPause, [&] { return abandoned || !failure || (ended && !tried_last); });
    }
  }
  if (!say.empty()) log_warning("{}", say);
  follow_path(false);
}

void Outlet::Shared::follow_path(bool create) {
  const Reopened reopened = target->reopen(create);
  if (create) reopen_wanted = reopened == Reopened::kFailed;
  if (reopened != Reopened::kElsewhere) return;
  // The line that lies in the old file in part begins again in the new one.
  const size_t newline = taken == 0 ? std::string::npos : text.rfind('\n', taken - 1);
  taken = newline == std::string::npos ? 0 : newline + 1;
}

// At once when asked to, and each second: the file may have been replaced or deleted without a word.
void Outlet::Shared::serve_reopen() {
  const uint32_t count = start.reopen_count == nullptr ? 0 : start.reopen_count->load(std::memory_order_relaxed);
  const Steady::time_point now = Steady::now();
  const bool asked = std::exchange(reopens_seen, count) != count;
  if (!asked && now - reopen_tried < kReopenPause) return;
  reopen_tried = now;
  follow_path(asked || reopen_wanted);
}

void Outlet::Shared::push_text() {
  const Taken step = target->take(std::string_view(text).substr(taken));
  if (step.bytes != 0 || step.error == 0) after_progress(step.bytes);
  if (step.error != 0) after_error(step.error);
}

void Outlet::Shared::run() {
  for (;;) {
    serve_reopen();
    if (taken == text.size()) {
      const Next next = next_text();
      if (next == Next::kOver) break;
      if (next == Next::kNothing) continue;
    }
    push_text();
    const std::lock_guard lock(mutex);
    if (abandoned || !failure) break;
  }
  const uint64_t unread = target->lines_unread();
  const std::lock_guard lock(mutex);
  counts.written -= std::min(unread, counts.written);
  counts.lost[static_cast<size_t>(OutletLoss::kNoReader)] += unread;
  finished = true;
  changed.notify_all();
}

Outlet::Outlet(std::string name, std::unique_ptr<OutletTarget> target, OutletOptions options)
    : shared_(std::make_shared<Shared>(std::move(name), std::move(target), options)) {}

Outlet::~Outlet() {
  if (!shared_->thread.joinable()) return;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->abandoned = true;
    shared_->changed.notify_all();
  }
  shared_->thread.detach();
}

Result<void> Outlet::start(const OutletStart& start) {
  shared_->start = start;
  if (start.reopen_count != nullptr) shared_->reopens_seen = start.reopen_count->load(std::memory_order_relaxed);
  if (Result<void> opened = shared_->target->open(); !opened) return opened;
  // No signal is handled on this thread: a broken pipe is an error of the write, and all others are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  shared_->thread = std::thread([shared = shared_] {
    name_this_thread(("gt-" + shared->counts.name).c_str());
    shared->run();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
}

Result<void> Outlet::write(const RecordBatch& batch) {
  std::string say;
  {
    std::unique_lock lock(shared_->mutex);
    if (!shared_->failure || batch.empty()) return shared_->failure;
    shared_->counts.offered += batch.count();
    const size_t bytes = bytes_of(batch);
    while (shared_->start.may_wait && !shared_->room_for(bytes) && shared_->worth_waiting()) {
      shared_->changed.wait_for(lock, kTargetWait);
    }
    if (shared_->room_for(bytes)) {
      shared_->push_loss_event();
      shared_->push(batch);
      return shared_->failure;
    }
    const OutletLoss cause = shared_->cause_now();
    shared_->counts.lost[static_cast<size_t>(cause)] += batch.count();
    shared_->lost_unsaid += batch.count();
    if (cause == OutletLoss::kStalled) say = shared_->announcement(cause, EAGAIN);
  }
  if (!say.empty()) log_warning("{}", say);
  return {};
}

void Outlet::end() {
  const std::lock_guard lock(shared_->mutex);
  shared_->push_loss_event();
  shared_->ended = true;
  shared_->changed.notify_all();
}

OutletCounts Outlet::wait() {
  Shared& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  while (!shared.finished && !shared.given_up()) shared.changed.wait_for(lock, kTargetWait / 4);
  const OutletLoss cause = shared.cause_now();
  shared.abandoned = true;
  shared.changed.notify_all();
  shared.changed.wait_for(lock, 2 * kTargetWait, [&] { return shared.finished; });
  OutletCounts& counts = shared.counts;
  counts.lost[static_cast<size_t>(cause)] += counts.offered - counts.written - counts.lost_total();
  const OutletCounts result = counts;
  const bool finished = shared.finished, said_by_us = shared.failure.has_value();
  lock.unlock();
  // A thread that hangs in a system call is left behind; it holds what it needs.
  finished ? shared.thread.join() : shared.thread.detach();
  // A required target's failure is told by who runs it.
  if (result.lost_total() != 0 && said_by_us) {
    log_warning("{}: {} records lost of {}: {}", result.name, result.lost_text(), result.offered, result.path);
  }
  return result;
}

Result<void> Outlet::status() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->failure;
}

OutletCounts Outlet::counts() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->counts;
}

}  // namespace gatetape
