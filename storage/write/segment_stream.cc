#include "storage/write/segment_stream.h"

namespace gatetape {

SegmentStream::SegmentStream(SegmentHeader base, SegmentLimits limits, size_t reference_memory_bytes,
                             int compression_level, const Identities& identities, Clock& clock)
    : identities_(identities),
      clock_(clock),
      header_(std::move(base)),
      limits_(limits),
      frame_(reference_memory_bytes, compression_level, identities.stream_seed(header_.worker, header_.retention)) {}

bool SegmentStream::segment_full() const {
  return raw_bytes_ >= limits_.raw_bytes_max || stored_bytes_ >= limits_.stored_bytes_max ||
         roots_.size() >= limits_.frames_max;
}

void SegmentStream::begin_segment(uint64_t sequence) {
  if (begins_anew_) {
    header_.previous_root = {};
    header_.previous_sequence = kNoSequence;
    begins_anew_ = false;
  } else if (in_segment_) {
    header_.previous_root = hash_tree_.segment_root(header_.serialise(), std::move(roots_));
    header_.previous_sequence = header_.sequence;
  }
  header_.sequence = sequence;
  header_.uuid = identities_.segment_uuid(sequence);
  header_.created_ns = clock_.wall_ns();
  roots_.clear();
  raw_bytes_ = stored_bytes_ = 0;
  in_segment_ = true;
  frame_.start_segment(header_.uuid);
}

void SegmentStream::close_frame(std::atomic<uint64_t>& next_sequence, ClosedFrame& out) {
  out.begins_segment = nullptr;
  if (!in_segment_ || begins_anew_ || segment_full()) {
    begin_segment(next_sequence.fetch_add(1));
    out.begins_segment = std::make_shared<const SegmentHeader>(header_);
  }
  added_ += frame_.packets();
  out.retention = header_.retention;
  out.header.kind = FrameKind::kPackets;
  out.header.number = static_cast<uint32_t>(roots_.size());
  out.header.account_added = added_;
  out.header.account_dropped = dropped_;
  frame_.close(out.header, out.bytes);
  roots_.push_back(out.header.root);
  raw_bytes_ += out.header.captured_bytes;
  stored_bytes_ += out.bytes.size();
}

uint32_t SegmentStream::drop_frame() {
  const uint32_t packets = frame_.packets();
  added_ += packets;
  dropped_ += packets;
  frame_.discard();
  return packets;
}

}  // namespace gatetape
