#include "storage/read/record_reader.h"

#include <algorithm>
#include <cerrno>

#include "storage/format/compression.h"
#include "storage/read/frame_reader.h"
#include "storage/read/packet_stream.h"

namespace gatetape {
namespace {

bool touches(int64_t first_ns, int64_t last_ns, const RecordQuery& query) {
  return (!query.since_ns || last_ns >= *query.since_ns) && (!query.until_ns || first_ns < *query.until_ns);
}

bool may_answer(const FrameEntry& frame, const RecordQuery& query) {
  return (frame.literal_position & query.types) != 0 && touches(frame.time_min_ns, frame.time_max_ns, query);
}

// The batch of a record frame; false: damaged, and reported.
bool read_batch(SegmentReader& segment, uint32_t frame, Decompressor& decompressor, std::vector<uint8_t>& batch) {
  FrameHeader header;
  std::vector<uint8_t> sections;
  const FrameEntry& entry = segment.frames()[frame];
  if (!segment.read_frame(frame, entry.stored_bytes, header, sections)) return false;
  const bool one = header.sections.size() == 1 && header.sections[0].type == SectionType::kRecordBatch;
  if (!one || !section_intact(header.sections[0], sections)) {
    segment.report_damage(entry.offset, "record batch damaged");
    return false;
  }
  if (header.sections[0].codec == Codec::kStored) {
    batch.swap(sections);
    return true;
  }
  batch.resize(header.sections[0].raw_bytes);
  if (decompressor.decompress(sections, batch)) return true;
  segment.report_damage(entry.offset, "record batch does not decompress");
  return false;
}

}  // namespace

std::unique_ptr<SegmentReader> open_segment(FileSystem& files, const std::string& path, ReadStatistics& statistics) {
  auto segment = SegmentReader::open(files, path, record_damage(statistics), record_repair(statistics));
  if (segment) return std::move(*segment);
  if (segment.error().code == ENOENT) {
    ++statistics.segments_vanished;
  } else {
    record_damage(statistics)(path, 0, segment.error().message.c_str());
  }
  return nullptr;
}

RecordTime time_of(const Record& record) {
  if (const auto* unsafe = std::get_if<SyncFailureRecord>(&record)) return {unsafe->first_ns, unsafe->last_ns};
  if (const auto* flow = std::get_if<FlowRecord>(&record)) return {flow->first_timestamp_ns, flow->last_timestamp_ns};
  return std::visit(
      [](const auto& r) -> RecordTime {
        if constexpr (requires { r.timestamp_ns; }) return {r.timestamp_ns, r.timestamp_ns};
        return {0, 0};
      },
      record);
}

bool is_asked_for(const Record& record, const RecordQuery& query) {
  const uint8_t type = std::visit([](const auto& r) { return r.kType; }, record);
  const RecordTime time = time_of(record);
  return (query.types >> type & 1) != 0 && touches(time.first_ns, time.last_ns, query);
}

bool read_records(FileSystem& files, const std::string& path, const RecordQuery& query, ReadStatistics& statistics,
                  RunsSeen& runs, const std::function<bool(const Record&)>& visit) {
  auto segment = open_segment(files, path, statistics);
  if (segment == nullptr) return true;
  statistics.segments++;
  runs.uuids.insert(segment->header().run_uuid);
  runs.newest_started_ns = std::max(runs.newest_started_ns, segment->header().run_started_ns);
  Decompressor decompressor;
  std::vector<uint8_t> batch;
  bool more = true;
  const auto& frames = segment->frames();
  for (uint32_t frame = 0; frame < frames.size() && more; frame++) {
    statistics.frames++;
    if (!may_answer(frames[frame], query)) continue;
    if (!read_batch(*segment, frame, decompressor, batch)) continue;
    statistics.frames_read++;
    const auto visit_one = [&](const Record& record) {
      const RecordTime time = time_of(record);
      if (more && touches(time.first_ns, time.last_ns, query)) more = visit(record);
    };
    const auto read = for_each_record(batch, visit_one, query.types);
    if (!read) segment->report_damage(frames[frame].offset, read.error().message.c_str());
  }
  statistics.segments_read++;
  statistics.bytes_read += segment->bytes_read();
  return more;
}

}  // namespace gatetape
