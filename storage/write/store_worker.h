// StoreWorker as the store makes it: one open frame per retention class in use, closed on the worker's own thread (no
// other core touches its packets), and a queue to the store's writing thread.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "storage/write/frame_queue.h"
#include "storage/write/segment_stream.h"
#include "storage/write/store_writer.h"

namespace gatetape {

class QueueingStoreWorker : public StoreWorker {
 public:
  struct Options {
    SegmentLimits limits;
    size_t reference_memory_bytes = 0;
    int compression_level = 1;
    bool may_block = false;
    const Identities* identities = nullptr;  // the store's
    Clock* clock = nullptr;
    std::atomic<uint64_t>* next_sequence = nullptr;                // the store's
    int wake_fd = -1;                                              // PacketWriter::wake_fd()
    std::array<SegmentHeader, kRetentionClassCount> base_headers;  // by class
  };
  explicit QueueingStoreWorker(Options options);

  void add(const Packet& packet, const DecodedPacket& decoded, const PacketContext& context) override;
  void tick(int64_t monotonic_ns) override;
  void flush() override;
  StoreCounts counts() const override;

  // For the writing thread; not_synced() for any.
  FrameQueue& queue() { return queue_; }
  void written(const ClosedFrame& frame);
  void not_written(const ClosedFrame& frame);
  void not_synced(uint64_t packets) { not_synced_.fetch_add(packets, std::memory_order_relaxed); }
  // The stream's segment cannot be written on: its next frame begins another, or, where no directory can be written to,
  // frames are dropped and counted until look_again().
  void interrupt(RetentionClass retention, bool any_directory);
  // A directory may be tried again.
  void look_again();

 private:
  SegmentStream& stream_of(RetentionClass retention);
  void close_frame(RetentionClass retention, bool may_wait);

  Options options_;
  FrameQueue queue_;
  std::array<std::unique_ptr<SegmentStream>, kRetentionClassCount> streams_;
  int64_t now_ns_ = 0;
  // The worker's thread.
  uint64_t added_ = 0, dropped_queue_full_ = 0, dropped_failed_ = 0;
  // The writing thread.
  std::atomic<uint64_t> stored_{0}, stored_bytes_{0}, not_written_{0}, not_synced_{0};
  // Packets of each class that were lost in writing, until its stream knows of them.
  std::array<std::atomic<uint32_t>, kRetentionClassCount> lost_{};
  // A demand of the writing thread on a stream; the worker's thread takes kBeginAnew back.
  enum class Wish : uint8_t { kNone, kBeginAnew, kDrop };
  std::array<std::atomic<Wish>, kRetentionClassCount> wishes_{};
};

}  // namespace gatetape
