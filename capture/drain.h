// When a polling loop may end after it was asked to stop. A file is left at once: what was not read was not received. A
// live source is polled until it has nothing more waiting, so that what the driver had taken is not lost, but not for
// longer than kDrainMax while traffic goes on.
#pragma once

#include <atomic>
#include <chrono>

namespace gatetape {

class Drain {
 public:
  static constexpr std::chrono::milliseconds kIdleMin{200};  // longer than a driver may hold packets back
  static constexpr std::chrono::seconds kDrainMax{2};

  Drain(const std::atomic<bool>& stop, bool live) : stop_(stop), live_(live) {}

  // Call once per round; `idle` says that the round found nothing.
  bool over(bool idle) {
    if (!stop_.load(std::memory_order_relaxed)) return false;
    if (!live_) return true;
    const auto now = std::chrono::steady_clock::now();
    if (!started_) {
      started_ = true;
      since_ = last_packet_ = now;
    }
    if (!idle) last_packet_ = now;
    return now - last_packet_ >= kIdleMin || now - since_ >= kDrainMax;
  }

 private:
  const std::atomic<bool>& stop_;
  const bool live_;
  bool started_ = false;
  std::chrono::steady_clock::time_point since_{}, last_packet_{};
};

}  // namespace gatetape
