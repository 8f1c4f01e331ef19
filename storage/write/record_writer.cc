#include "storage/write/record_writer.h"

#include <algorithm>

#include "common/check.h"
#include "storage/read/record_reader.h"

namespace gatetape {
namespace {

constexpr size_t kFrameBytes = 256 << 10;  // before compression

struct Span {
  int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
};

Result<Span> span_of(std::span<const uint8_t> batch) {
  Span span;
  auto read = for_each_record(batch, [&](const Record& record) {
    const RecordTime time = time_of(record);
    span.first_ns = std::min(span.first_ns, time.first_ns);
    span.last_ns = std::max(span.last_ns, time.last_ns);
  });
  if (!read) return pass_on(read);
  return span;
}

Sha256Digest leaf_of(std::span<const uint8_t> batch) {
  ByteSink message;
  message.put(uint8_t{0});
  message.bytes(batch);
  return sha256(message.bytes());
}

}  // namespace

RecordWriter::RecordWriter(FileSystem& files, std::string directory, SegmentHeader base, uint64_t segment_bytes_max,
                           std::function<uint64_t()> next_sequence, const Identities& identities, Clock& clock,
                           Ring& ring, Housekeeper& housekeeper)
    : files_(files),
      directory_(std::move(directory)),
      header_(std::move(base)),
      segment_bytes_max_(segment_bytes_max),
      next_sequence_(std::move(next_sequence)),
      identities_(identities),
      clock_(clock),
      ring_(ring),
      housekeeper_(housekeeper) {
  header_.kind = SegmentKind::kRecords;
}

Result<void> RecordWriter::write(const RecordBatch& batch) {
  std::lock_guard lock(mutex_);
  if (!failure_) return failure_;
  if (closed_) return fail("{}: the store is closed", directory_);
  if (batch.empty()) return {};
  if (batch.size_bytes() > kSectionBytesMax - kFrameBytes)
    return fail("a record batch of {} bytes is too large", batch.size_bytes());
  gather(batch);
  for (Pending& pending : pending_) {
    if (pending.bytes.size() >= kFrameBytes && !flush(pending)) break;
  }
  return failure_;
}

// Extracts ask for flows, accounts and events of long times, of which HTTP transactions are by far the most bytes; and
// for all runs that there ever were.
RecordWriter::Group RecordWriter::group_of(uint8_t type) {
  const RecordTypes one = RecordTypes{1} << type;
  if (one == record_types<HttpRecord>()) return kHttp;
  if (one == record_types<AlertRecord>()) return kAlerts;
  return one == record_types<RunRecord>() ? kRuns : kOthers;
}

void RecordWriter::gather(const RecordBatch& batch) {
  const int64_t now_ns = clock_.monotonic_ns();
  const Result<void> walked = for_each_raw_record(batch.bytes(), [&](uint8_t type, std::span<const uint8_t> record) {
    Pending& pending = pending_[group_of(type)];
    if (pending.records == 0) pending.since_ns = now_ns;
    pending.bytes.bytes(record);
    ++pending.records;
    pending.types |= RecordTypes{1} << type;
  });
  GT_CHECK(walked);  // we made it
}

Result<void> RecordWriter::flush_if_old() {
  constexpr int64_t kWait_ns = 500'000'000;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return {};
  const int64_t now_ns = clock_.monotonic_ns();
  for (Pending& pending : pending_) {
    if (pending.records != 0 && now_ns - pending.since_ns >= kWait_ns && !flush(pending)) break;
  }
  return failure_;
}

Result<void> RecordWriter::open_segment() {
  header_.sequence = next_sequence_();
  header_.uuid = identities_.segment_uuid(header_.sequence);
  header_.created_ns = clock_.wall_ns();
  auto segment = SegmentFile::create(files_, directory_, header_, ring_);
  if (!segment) return pass_on(segment);
  segment_ = std::move(*segment);
  frame_number_ = 0;
  roots_.clear();
  housekeeper_.opened(segment_);
  return {};
}

void RecordWriter::finish_segment() {
  header_.previous_root = hash_tree_.segment_root(header_.serialise(), roots_);
  header_.previous_sequence = header_.sequence;
  housekeeper_.finished(std::exchange(segment_, nullptr));
}

// The frame of one batch; completes the header.
ByteSink RecordWriter::frame_of(std::span<const uint8_t> batch, FrameHeader& header) {
  ByteSink frame;
  frame.zeros(frame_header_bytes(1));
  Section section;
  section.type = SectionType::kRecordBatch;
  section.flags = kSectionRequired;
  section.raw_bytes = static_cast<uint32_t>(batch.size());
  section.codec = compressor_.compress(batch, frame) ? Codec::kZstd : Codec::kStored;
  if (section.codec == Codec::kStored) frame.bytes(batch);
  const auto body = frame.bytes().subspan(frame_header_bytes(1));
  section.stored_bytes = static_cast<uint32_t>(body.size());
  section.checksum = checksum(body);
  header.sections.push_back(section);
  header.serialise(frame.data());
  return frame;
}

// Errors are sticky: records that could not be written are gone, and every later call says so.
Result<void> RecordWriter::flush(Pending& pending) {
  if (!failure_ || pending.records == 0) return failure_;
  if (segment_ == nullptr && !(failure_ = open_segment())) return failure_;
  auto span = span_of(pending.bytes.bytes());
  if (!span) return failure_ = pass_on(span);
  records_ += pending.records;
  FrameHeader header;
  header.kind = FrameKind::kRecords;
  header.segment_id = segment_id(header_.uuid);
  header.number = frame_number_++;
  header.packets = pending.records;
  header.literal_position = pending.types;
  header.time_min_ns = span->first_ns;
  header.time_max_ns = span->last_ns;
  header.captured_bytes = pending.bytes.size();
  header.account_added = records_;
  std::vector<Sha256Digest> leaves{leaf_of(pending.bytes.bytes())};
  header.root = hash_tree_.frame_root(header_.uuid, header, {}, leaves);
  roots_.push_back(header.root);

  const ByteSink frame = frame_of(pending.bytes.bytes(), header);
  pending.bytes.clear();
  pending.records = 0;
  pending.types = 0;
  failure_ = segment_->append(frame.bytes());
  if (failure_ && segment_->bytes() >= segment_bytes_max_) finish_segment();
  return failure_;
}

Result<void> RecordWriter::close() {
  std::lock_guard lock(mutex_);
  for (Pending& pending : pending_) (void)flush(pending);  // a failure stays in failure_
  closed_ = true;
  if (segment_ != nullptr) finish_segment();
  return failure_;
}

}  // namespace gatetape
