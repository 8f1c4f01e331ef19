#include "storage/read/packet_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "storage/format/lane_filter.h"
#include "storage/read/record_reader.h"

namespace gatetape {
namespace {

constexpr size_t kBeforeLiteralsUsually = 48 << 10;  // lanes, columns and operations of most frames: one read

}  // namespace

SegmentReader::DamageReport record_damage(ReadStatistics& statistics) {
  return [&statistics](const std::string& path, uint64_t offset, const char* what) {
    constexpr size_t kNamed = 100;
    statistics.frames_damaged++;
    if (statistics.damage.size() < kNamed)
      statistics.damage.push_back(fmt::format("{}: offset {}: {}", path, offset, what));
  };
}

SegmentReader::DamageReport record_repair(ReadStatistics& statistics) {
  return [&statistics](const std::string& path, uint64_t offset, const char* what) {
    constexpr size_t kNamed = 100;
    statistics.bits_repaired++;
    if (statistics.repaired.size() < kNamed)
      statistics.repaired.push_back(
          fmt::format("{}: offset {}: {}, and was put right for reading", path, offset, what));
  };
}

PacketStream::PacketStream(FileSystem& files, std::vector<std::string> segments, std::vector<uint16_t> interface_ids,
                           const StoreQuery& query, LiteralCache& cache, ReadStatistics& statistics, FrameMarks* marks)
    : files_(files),
      segments_(std::move(segments)),
      interface_ids_(std::move(interface_ids)),
      query_(query),
      cache_(cache),
      statistics_(statistics),
      marks_(marks) {}

bool PacketStream::in_time(int64_t time_min_ns, int64_t time_max_ns) const {
  return (!query_.since_ns || time_max_ns >= *query_.since_ns) && (!query_.until_ns || time_min_ns < *query_.until_ns);
}

bool PacketStream::open_next_segment() {
  segment_.reset();
  while (next_segment_ < segments_.size()) {
    segment_ = open_segment(files_, segments_[next_segment_++], statistics_);
    if (segment_ == nullptr) continue;
    segment_bytes_counted_ = 0;
    next_candidate_ = 0;
    candidates_.clear();
    packet_.place.segment = segment_->header().uuid;
    const auto& frames = segment_->frames();
    if (marks_ != nullptr) {
      first_frame_ = std::exchange(marks_->read[segment_->header().uuid], frames.size());
      if (segment_->sealed()) marks_->finished.insert(segments_[next_segment_ - 1]);
    }
    const bool any_in_time = std::any_of(frames.begin(), frames.end(), [&](const FrameEntry& frame) {
      return in_time(frame.time_min_ns, frame.time_max_ns);
    });
    statistics_.frames += frames.size();
    if (!segment_->sealed()) statistics_.torn_bytes += segment_->file_bytes() - segment_->end_of_frames();
    if (!any_in_time) continue;
    candidates_ = segment_->candidates(query_.index);
    if (!candidates_.empty()) statistics_.segments_read++;
    return true;
  }
  return false;
}

// Reads the frame's packets and the payloads of the lanes that may match. False: none may, or damaged.
bool PacketStream::read_frame(uint32_t frame) {
  FrameHeader header;
  const uint64_t offset = segment_->frames()[frame].offset;
  if (!segment_->read_frame(frame, kBeforeLiteralsUsually, header, sections_)) return false;
  const size_t before_literals = FrameReader::bytes_before_literals(header);
  if (sections_.size() < before_literals && !segment_->read_frame(frame, before_literals, header, sections_))
    return false;
  if (!frame_.read_lanes(header, sections_) &&
      !(segment_->repair_sections(frame, header, sections_) && frame_.read_lanes(header, sections_))) {
    segment_->report_damage(offset, frame_.what());
    return false;
  }
  wanted_.assign(frame_.lanes().size(), false);
  bool any = false;
  for (size_t i = 0; i < wanted_.size(); i++) {
    wanted_[i] = may_match(frame_.lanes()[i], query_.index);
    any = any || wanted_[i];
  }
  if (!any) return false;
  statistics_.frames_read++;
  CachedLiterals literals(*segment_, cache_);
  const auto read = [&] {
    return frame_.read_packets(header, sections_) && frame_.read_payload(header, sections_, wanted_, literals);
  };
  if (read() || (segment_->repair_sections(frame, header, sections_) && read())) return true;
  segment_->report_damage(offset, frame_.what());
  return false;
}

bool PacketStream::next_frame() {
  for (;;) {
    while (segment_ == nullptr || next_candidate_ == candidates_.size()) {
      if (!open_next_segment()) return false;
    }
    const uint32_t frame = candidates_[next_candidate_++];
    if (frame < first_frame_) continue;
    const FrameEntry& entry = segment_->frames()[frame];
    if (!in_time(entry.time_min_ns, entry.time_max_ns)) continue;
    const uint64_t damaged_before = statistics_.frames_damaged;
    const bool ok = read_frame(frame);
    statistics_.bytes_read += segment_->bytes_read() - segment_bytes_counted_;
    segment_bytes_counted_ = segment_->bytes_read();
    if (ok) {
      packet_.place.frame = frame;
      return true;
    }
    if (statistics_.frames_damaged == damaged_before) continue;
    statistics_.packets_damaged += entry.packets;
    statistics_.damaged_first_ns = std::min(statistics_.damaged_first_ns, entry.time_min_ns);
    statistics_.damaged_last_ns = std::max(statistics_.damaged_last_ns, entry.time_max_ns);
  }
}

bool PacketStream::next() {
  for (;;) {
    if (!frame_open_ || next_row_ == frame_.rows().size()) {
      frame_open_ = next_frame();
      next_row_ = 0;
      if (!frame_open_) return false;
    }
    packet_.place.row = static_cast<uint32_t>(next_row_);
    const PacketRow& row = frame_.rows()[next_row_++];
    if (!wanted_[row.lane] || !in_time(row.timestamp_ns, row.timestamp_ns)) continue;
    const Lane& lane = frame_.lanes()[row.lane];
    packet_.packet.data = frame_.bytes(row);
    packet_.packet.captured_length = row.captured_length;
    packet_.packet.wire_length = row.wire_length;
    packet_.packet.timestamp_ns = row.timestamp_ns;
    packet_.packet.ordinal = row.ordinal;
    packet_.packet.link_type = lane.link_type;
    packet_.packet.interface_id =
        lane.interface_id < interface_ids_.size() ? interface_ids_[lane.interface_id] : kUnknownInterface;
    packet_.flow_id = lane.flow_id;
    packet_.worker = segment_->header().worker;
    packet_.retention = segment_->header().retention;
    return true;
  }
}

}  // namespace gatetape
