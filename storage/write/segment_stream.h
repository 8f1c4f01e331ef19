// A worker's packets of one retention class on their way into segments: the open frame, and where in which segment the
// next one belongs. On the worker's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/clock.h"
#include "storage/format/format.h"
#include "storage/format/hash_tree.h"
#include "storage/write/frame_builder.h"
#include "storage/write/frame_queue.h"
#include "storage/write/identities.h"

namespace gatetape {

struct SegmentLimits {
  uint64_t raw_bytes_max = 0;  // captured bytes
  uint64_t stored_bytes_max = 0;
  uint32_t frames_max = 1u << 18;
};

class SegmentStream {
 public:
  // `base`: all of the header that stays the same, and the previous segment of the stream. `identities` and `clock`
  // must outlive the stream.
  SegmentStream(SegmentHeader base, SegmentLimits limits, size_t reference_memory_bytes, int compression_level,
                const Identities& identities, Clock& clock);

  FrameBuilder& frame() { return frame_; }
  // When the open frame got its first packet, by the worker's clock.
  int64_t opened_ns = 0;

  // Closes the open frame into `out`, beginning a new segment where the limits say so.
  void close_frame(std::atomic<uint64_t>& next_sequence, ClosedFrame& out);
  // The segment could not be written on: the next frame begins another, which links to none, since nobody knows how
  // much of this one is there.
  void begin_anew() { begins_anew_ = true; }
  // Drops the open frame's packets; returns how many.
  uint32_t drop_frame();
  // So many packets of closed frames could not be written: the next frame's account says it.
  void note_lost(uint32_t packets) { dropped_ += packets; }

 private:
  void begin_segment(uint64_t sequence);
  bool segment_full() const;

  const Identities& identities_;
  Clock& clock_;
  SegmentHeader header_;
  SegmentLimits limits_;
  FrameBuilder frame_;
  bool in_segment_ = false, begins_anew_ = false;
  uint64_t raw_bytes_ = 0, stored_bytes_ = 0;
  HashTree hash_tree_;
  std::vector<Sha256Digest> roots_;  // one per frame of the segment
  uint64_t added_ = 0, dropped_ = 0;
};

}  // namespace gatetape
