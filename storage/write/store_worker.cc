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

QueueingStoreWorker::QueueingStoreWorker(Options options, StoreShared& shared)
    : options_(std::move(options)), shared_(shared) {
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
  if (!stream.frame().has_room(packet.captured_length)) close_frame(stream, options_.may_block);
  if (stream.frame().empty()) stream.opened_ns = now_ns_;
  stream.frame().add(packet, decoded, context);
  added_++;
}

void QueueingStoreWorker::close_frame(SegmentStream& stream, bool may_wait) {
  // Asked before the work of closing: a frame that is dropped must leave no trace that later frames could refer to.
  ClosedFrame* slot = queue_.free_slot();
  if (shared_.failed.load(std::memory_order_relaxed)) {
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
  stream.close_frame(shared_.next_sequence, *slot);
  queue_.push();
  const uint64_t one = 1;
  // The counter cannot overflow; a failed wake-up costs the writing thread's timeout.
  (void)!::write(shared_.frames_ready, &one, sizeof one);
}

void QueueingStoreWorker::tick(int64_t monotonic_ns) {
  now_ns_ = monotonic_ns;
  for (auto& stream : streams_) {
    if (stream == nullptr || stream->frame().empty()) continue;
    if (stream->opened_ns == 0) stream->opened_ns = monotonic_ns;  // added before the first tick
    if (monotonic_ns - stream->opened_ns >= kFrameAgeMax_ns) close_frame(*stream, options_.may_block);
  }
}

void QueueingStoreWorker::flush() {
  for (auto& stream : streams_) {
    if (stream != nullptr && !stream->frame().empty()) close_frame(*stream, true);
  }
}

StoreCounts QueueingStoreWorker::counts() const {
  StoreCounts counts;
  counts.added = added_;
  counts.dropped_queue_full = dropped_queue_full_;
  counts.dropped_failed = dropped_failed_ + not_written_.load(std::memory_order_relaxed);
  counts.stored = stored_.load(std::memory_order_relaxed);
  counts.stored_bytes = stored_bytes_.load(std::memory_order_relaxed);
  counts.pending = added_ - counts.stored - counts.dropped_queue_full - counts.dropped_failed;
  return counts;
}

void QueueingStoreWorker::written(const FrameHeader& header) {
  stored_bytes_.fetch_add(header.captured_bytes, std::memory_order_relaxed);
  stored_.fetch_add(header.packets, std::memory_order_relaxed);
}

void QueueingStoreWorker::not_written(const FrameHeader& header) {
  not_written_.fetch_add(header.packets, std::memory_order_relaxed);
}

}  // namespace gatetape
