#include "storage/write/record_writer.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "storage/read/record_reader.h"
#include "storage/write/segment_seal.h"

namespace gatetape {
namespace {

constexpr size_t kFrameBytes = 256 << 10;     // before compression
constexpr size_t kWaitingBytesMax = 8 << 20;  // in each group, while the disk fails

struct Span {
  int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
};

Span span_of(std::span<const uint8_t> batch) {
  Span span;
  auto read = for_each_record(batch, [&](const Record& record) {
    const RecordTime time = time_of(record);
    span.first_ns = std::min(span.first_ns, time.first_ns);
    span.last_ns = std::max(span.last_ns, time.last_ns);
  });
  GT_CHECK(read);  // they were walked when they came
  return span;
}

Sha256Digest leaf_of(std::span<const uint8_t> batch) {
  ByteSink message;
  message.put(uint8_t{0});
  message.bytes(batch);
  return sha256(message.bytes());
}

}  // namespace

RecordWriter::RecordWriter(FileSystem& files, Directories& directories, SegmentHeader base, uint64_t segment_bytes_max,
                           std::function<uint64_t()> next_sequence, const Identities& identities, Clock& clock,
                           Ring& ring, Housekeepers& housekeepers)
    : files_(files),
      directories_(directories),
      header_(std::move(base)),
      segment_bytes_max_(segment_bytes_max),
      next_sequence_(std::move(next_sequence)),
      identities_(identities),
      clock_(clock),
      ring_(ring),
      housekeepers_(housekeepers) {
  header_.kind = SegmentKind::kRecords;
}

Result<void> RecordWriter::write(const RecordBatch& batch) {
  std::lock_guard lock(mutex_);
  if (closed_) return fail("a record came after the store was closed");
  if (batch.empty()) return {};
  if (batch.size_bytes() > kSectionBytesMax - kFrameBytes)
    return fail("a record batch of {} bytes is too large", batch.size_bytes());
  gather(batch);
  // A mark of a run does not wait: what comes after it can be told to belong to it.
  if (!flush(pending_[kRuns]) && pending_[kRuns].bytes.size() > kWaitingBytesMax) lose(pending_[kRuns]);
  for (Pending& pending : pending_) {
    if (pending.bytes.size() >= kFrameBytes && !flush(pending) && pending.bytes.size() > kWaitingBytesMax)
      lose(pending);
  }
  return {};
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

void RecordWriter::flush_if_old() {
  constexpr int64_t kWait_ns = 500'000'000;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;
  const int64_t now_ns = clock_.monotonic_ns();
  for (Pending& pending : pending_) {
    if (pending.records != 0 && now_ns - pending.since_ns >= kWait_ns && !flush(pending)) break;
  }
}

void RecordWriter::finish_segment() {
  header_.previous_root = hash_tree_.segment_root(header_.serialise(), roots_);
  header_.previous_sequence = header_.sequence;
  housekeepers_.finished(std::exchange(segment_, nullptr));
}

// The next frame of the segment that the header describes, with all of its header.
ByteSink RecordWriter::frame_of(const Pending& pending, FrameHeader& header) {
  const auto batch = pending.bytes.bytes();
  const Span span = span_of(batch);
  header.kind = FrameKind::kRecords;
  header.segment_id = segment_id(header_.uuid);
  header.number = static_cast<uint32_t>(roots_.size());
  header.packets = pending.records;
  header.literal_position = pending.types;
  header.time_min_ns = span.first_ns;
  header.time_max_ns = span.last_ns;
  header.captured_bytes = batch.size();
  header.account_added = records_ + pending.records;
  std::vector<Sha256Digest> leaves{leaf_of(batch)};
  header.root = hash_tree_.frame_root(header_.uuid, header, {}, leaves);

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

Result<void> RecordWriter::append(SegmentFile& segment, const Pending& pending) {
  FrameHeader header;
  const ByteSink frame = frame_of(pending, header);
  Result<void> appended = segment.append(header, frame.bytes());
  if (!appended) return appended;
  roots_.push_back(header.root);
  records_ += pending.records;
  return {};
}

// False: it could not be, and the segment ends before it.
bool RecordWriter::append(const Pending& pending) {
  const std::string directory = parent_directory(segment_->path());
  const Result<void> appended = append(*segment_, pending);
  if (appended) {
    directories_.worked(directory);
    return true;
  }
  directories_.set_aside(directory, appended.error());
  finish_segment();
  return false;
}

Result<std::shared_ptr<SegmentFile>> RecordWriter::create_segment(const std::string& directory) {
  header_.sequence = next_sequence_();
  header_.uuid = identities_.segment_uuid(header_.sequence);
  header_.created_ns = clock_.wall_ns();
  roots_.clear();
  return SegmentFile::create(files_, directory, header_, ring_);
}

// A segment with what is pending as its first frame.
Result<void> RecordWriter::begin_segment(const Pending& pending) {
  for (;;) {  // a directory that fails twice is set aside
    auto directory = directories_.choose(0);
    if (!directory) return pass_on(directory);
    auto segment = create_segment(*directory);
    const uint64_t records = records_;
    Result<void> begun = segment ? append(**segment, pending) : pass_on(segment);
    if (begun) begun = (*segment)->publish();
    if (begun) {
      segment_ = std::move(*segment);
      housekeepers_.opened(segment_);
      directories_.worked(*directory);
      return {};
    }
    records_ = records;
    directories_.set_aside(*directory, begun.error());
  }
}

// Writes what is pending, into another segment where the present one fails. False: it is still pending.
bool RecordWriter::flush(Pending& pending) {
  if (pending.records == 0) return true;
  if (segment_ == nullptr || !append(pending)) {
    if (Result<void> begun = begin_segment(pending); !begun) {
      if (failure_) failure_ = begun;
      return false;
    }
  }
  pending = {};
  if (segment_->bytes() >= segment_bytes_max_) finish_segment();
  return true;
}

void RecordWriter::lose(Pending& pending) {
  if (lost_ == 0) log_error("store: records are lost: none can be written, and too many wait");
  records_ += pending.records;
  lost_ += pending.records;
  pending = {};
}

void RecordWriter::flush_all() {
  for (Pending& pending : pending_) {
    if (!flush(pending)) lose(pending);
  }
}

void RecordWriter::finish_segment_now() {
  std::lock_guard lock(mutex_);
  flush_all();
  if (segment_ != nullptr) finish_segment();
}

// All that is pending.
Result<void> RecordWriter::write_last() {
  for (;;) {
    auto directory = directories_.choose(0);
    if (!directory) return pass_on(directory);
    const uint64_t records = records_;
    Result<void> written = write_last_to(*directory);
    if (written) return written;
    records_ = records;
    directories_.set_aside(*directory, written.error());
  }
}

Result<void> RecordWriter::write_last_to(const std::string& directory) {
  auto created = create_segment(directory);
  if (!created) return pass_on(created);
  const std::shared_ptr<SegmentFile> segment = std::move(*created);
  for (const Pending& pending : pending_) {
    if (pending.records == 0) continue;
    if (auto appended = append(*segment, pending); !appended) return appended;
  }
  auto sealed = ring_.with_room(directory, true, [&] { return seal_segment(files_, segment->temporary_path()); });
  if (!sealed) return pass_on(sealed);
  if (!sealed->synced) return sealed->synced;
  if (auto published = segment->publish(); !published) return published;
  housekeepers_.opened(segment);
  housekeepers_.finished(segment);
  return {};
}

Result<void> RecordWriter::close(const RecordBatch& last) {
  std::lock_guard lock(mutex_);
  flush_all();
  if (segment_ != nullptr) finish_segment();
  closed_ = true;
  if (lost_ != 0) log_error("store: {} records could not be written", lost_);
  if (!last.empty()) {
    gather(last);
    if (auto written = write_last(); !written) {
      log_error("store: the end of the run could not be recorded: {}", written.error().message);
      if (failure_) failure_ = written;
    }
  }
  return failure_;
}

}  // namespace gatetape
