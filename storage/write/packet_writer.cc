#include "storage/write/packet_writer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "common/check.h"
#include "common/thread_name.h"

namespace gatetape {

PacketWriter::PacketWriter(FileSystem& files, Directories& directories, size_t directory, Ring& ring,
                           Housekeepers& housekeepers, std::function<void(const Result<void>&)> failed)
    : files_(files),
      directories_(directories),
      directory_(directory),
      ring_(ring),
      housekeepers_(housekeepers),
      failed_(std::move(failed)),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  GT_CHECK(wake_fd_ >= 0);
}

PacketWriter::~PacketWriter() {
  finish();
  ::close(wake_fd_);
}

void PacketWriter::serve(QueueingStoreWorker& worker) {
  served_.push_back({&worker, {}});
}

void PacketWriter::start() {
  if (served_.empty()) return;
  thread_ = std::thread([this] {
    name_this_thread("gt-store-write");
    run();
  });
}

void PacketWriter::wake() const {
  const uint64_t one = 1;
  // The counter cannot overflow; a failed wake-up costs the thread's timeout.
  (void)!::write(wake_fd_, &one, sizeof one);
}

void PacketWriter::run() {
  constexpr int kTimeout_ms = 100;
  for (;;) {
    const bool stopping =
        stopping_.load(std::memory_order_acquire);  // read before looking: what was pushed by then is seen
    while (write_queued()) {
    }
    if (stopping) return;
    pollfd ready{wake_fd_, POLLIN, 0};
    if (::poll(&ready, 1, kTimeout_ms) > 0) {
      uint64_t count;
      (void)!::read(wake_fd_, &count, sizeof count);
    }
  }
}

bool PacketWriter::write_queued() {
  bool any = false;
  for (Served& served : served_) {
    const ClosedFrame* frame = served.worker->queue().oldest();
    if (frame == nullptr) continue;
    any = true;
    write(served, *frame);
    served.worker->queue().pop();
  }
  if (any_failed_ && directories_.any_usable()) {
    for (Served& served : served_) served.worker->look_again();
  }
  return any;
}

void PacketWriter::finish() {
  stopping_.store(true, std::memory_order_release);
  wake();
  if (thread_.joinable()) {
    thread_.join();
  } else {
    run();
  }
  for (Served& served : served_) {
    for (auto& segment : served.open) {
      if (segment != nullptr) housekeepers_.finished(std::exchange(segment, nullptr));
    }
  }
}

// A frame that cannot be written is lost, and those of its segment behind it: they may refer to it. The stream, which
// learns of it by interrupt(), begins another segment.
void PacketWriter::write(Served& served, const ClosedFrame& frame) {
  auto& segment = served.open[static_cast<size_t>(frame.retention)];
  if (frame.begins_segment == nullptr && segment == nullptr) return served.worker->not_written(frame);
  const Result<void> written = frame.begins_segment != nullptr ? begin_segment(frame, segment) : append(frame, segment);
  if (written) return served.worker->written(frame);
  any_failed_ = true;
  failed_(written);
  served.worker->not_written(frame);
  served.worker->interrupt(frame.retention, directories_.any_usable());
}

// A segment in the writer's directory, or in another one when that fails; the frame is in it.
Result<void> PacketWriter::begin_segment(const ClosedFrame& frame, std::shared_ptr<SegmentFile>& segment) {
  if (segment != nullptr) housekeepers_.finished(std::exchange(segment, nullptr));
  for (;;) {  // a directory that fails twice is set aside
    auto directory = directories_.choose(directory_);
    if (!directory) return pass_on(directory);
    auto created = SegmentFile::create(files_, *directory, *frame.begins_segment, ring_);
    Result<void> begun = created ? (*created)->append(frame.header, frame.bytes.bytes()) : pass_on(created);
    if (begun) begun = (*created)->publish();
    if (begun) {
      segment = std::move(*created);
      housekeepers_.opened(segment);
      directories_.worked(*directory);
      return {};
    }
    directories_.set_aside(*directory, begun.error());
  }
}

// A segment that cannot be written on ends.
Result<void> PacketWriter::append(const ClosedFrame& frame, std::shared_ptr<SegmentFile>& segment) {
  Result<void> appended = segment->append(frame.header, frame.bytes.bytes());
  if (appended) {
    directories_.worked(parent_directory(segment->path()));
  } else {
    directories_.set_aside(parent_directory(segment->path()), appended.error());
    housekeepers_.finished(std::exchange(segment, nullptr));
  }
  return appended;
}

}  // namespace gatetape
