#include "storage/write/store_worker.h"

#include <unistd.h>

#include "common/check.h"

namespace gatetape {
namespace {

constexpr int64_t kFrameAgeMax_ns = 1'000'000'000;

// Most traffic is kept in full; headers hold nothing that repeats.
size_t reference_memory_share(RetentionClass retention, size_t bytes) {
  switch (retention) {
    case RetentionClass::kFull:
      return bytes / 4 * 3;
    case RetentionClass::kHeaders:
      return 0;
    case RetentionClass::kCut:
    case RetentionClass::kPinned:
      return bytes / 8;
  }
  return 0;
}

}  // namespace

QueueingStoreWorker::QueueingStoreWorker(Options options)
    : options_(std::move(options)), queue_(options_.may_block ? FrameQueue::kSlotsOfWaiting : FrameQueue::kSlots) {
  (void)stream_of(RetentionClass::kFull);  // the others when their first packet comes
}

SegmentStream& QueueingStoreWorker::stream_of(RetentionClass retention) {
  auto& stream = streams_[static_cast<size_t>(retention)];
  if (stream == nullptr) {
    stream = std::make_unique<SegmentStream>(options_.base_headers[static_cast<size_t>(retention)], options_.limits,
                                             reference_memory_share(retention, options_.reference_memory_bytes),
                                             options_.compression_level, *options_.identities, *options_.clock);
  }
  return *stream;
}

void QueueingStoreWorker::add(const Packet& packet, const DecodedPacket& decoded, const PacketContext& context) {
  SegmentStream& stream = stream_of(context.retention);
  if (!stream.frame().has_room(packet.captured_length)) close_frame(context.retention, options_.may_block);
  if (stream.frame().empty()) stream.opened_ns = now_ns_;
  stream.frame().add(packet, decoded, context);
  added_++;
}

void QueueingStoreWorker::close_frame(RetentionClass retention, bool may_wait) {
  SegmentStream& stream = stream_of(retention);
  std::atomic<Wish>& wish = wishes_[static_cast<size_t>(retention)];
  stream.note_lost(lost_[static_cast<size_t>(retention)].exchange(0, std::memory_order_relaxed));
  // Asked before the work of closing: a frame that is dropped must leave no trace that later frames could refer to.
  ClosedFrame* slot = queue_.free_slot();
  if (wish.load(std::memory_order_relaxed) == Wish::kDrop) {
    dropped_failed_ += stream.drop_frame();
    return;
  }
  if (slot == nullptr && !may_wait) {
    dropped_queue_full_ += stream.drop_frame();
    return;
  }
  if (slot == nullptr) {
    queue_.wait_for_room();
    slot = queue_.free_slot();
    GT_CHECK(slot != nullptr);
  }
  if (Wish asked = Wish::kBeginAnew; wish.compare_exchange_strong(asked, Wish::kNone)) stream.begin_anew();
  stream.close_frame(*options_.next_sequence, *slot);
  queue_.push();
  const uint64_t one = 1;
  // The counter cannot overflow; a failed wake-up costs the writing thread's timeout.
  (void)!::write(options_.wake_fd, &one, sizeof one);
}

void QueueingStoreWorker::tick(int64_t monotonic_ns) {
  now_ns_ = monotonic_ns;
  for (size_t retention = 0; retention < streams_.size(); retention++) {
    auto& stream = streams_[retention];
    if (stream == nullptr || stream->frame().empty()) continue;
    if (stream->opened_ns == 0) stream->opened_ns = monotonic_ns;  // added before the first tick
    if (monotonic_ns - stream->opened_ns >= kFrameAgeMax_ns)
      close_frame(static_cast<RetentionClass>(retention), options_.may_block);
  }
}

void QueueingStoreWorker::flush() {
  for (size_t retention = 0; retention < streams_.size(); retention++) {
    const auto& stream = streams_[retention];
    if (stream != nullptr && !stream->frame().empty()) close_frame(static_cast<RetentionClass>(retention), true);
  }
}

StoreCounts QueueingStoreWorker::counts() const {
  StoreCounts counts;
  counts.added = added_;
  counts.dropped_queue_full = dropped_queue_full_;
  counts.dropped_failed = dropped_failed_ + not_written_.load(std::memory_order_relaxed);
  counts.stored = stored_.load(std::memory_order_relaxed);
  counts.not_synced = not_synced_.load(std::memory_order_relaxed);
  counts.stored_bytes = stored_bytes_.load(std::memory_order_relaxed);
  counts.pending = added_ - counts.stored - counts.dropped_queue_full - counts.dropped_failed;
  return counts;
}

void QueueingStoreWorker::written(const ClosedFrame& frame) {
  stored_bytes_.fetch_add(frame.header.captured_bytes, std::memory_order_relaxed);
  stored_.fetch_add(frame.header.packets, std::memory_order_relaxed);
}

void QueueingStoreWorker::interrupt(RetentionClass retention, bool any_directory) {
  wishes_[static_cast<size_t>(retention)] = any_directory ? Wish::kBeginAnew : Wish::kDrop;
}

void QueueingStoreWorker::look_again() {
  for (std::atomic<Wish>& wish : wishes_) {
    Wish dropping = Wish::kDrop;
    wish.compare_exchange_strong(dropping, Wish::kBeginAnew);
  }
}

void QueueingStoreWorker::not_written(const ClosedFrame& frame) {
  not_written_.fetch_add(frame.header.packets, std::memory_order_relaxed);
  lost_[static_cast<size_t>(frame.retention)].fetch_add(frame.header.packets, std::memory_order_relaxed);
}

}  // namespace gatetape
