#include "storage/write/segment_seal.h"

#include <algorithm>

#include "common/log.h"
#include "storage/format/lane_filter.h"
#include "storage/read/frame_reader.h"
#include "storage/read/segment_reader.h"

namespace gatetape {
namespace {

class IndexBuilder {
 public:
  void add(std::span<const Lane> lanes, uint32_t frame) {
    for (const Lane& lane : lanes) {
      if (matches_anything(lane)) add(unindexed_, uint8_t{0}, frame);
      add(flow_ids_, lane.flow_id, frame);
      if (!lane.has(kLaneHasIp)) continue;
      hosts_.add(lane.source.bytes, frame);
      hosts_.add(lane.destination.bytes, frame);
      add(protocols_, lane.protocol, frame);
      if (lane.has(kLaneHasPorts)) {
        add(ports_, lane.source_port, frame);
        add(ports_, lane.destination_port, frame);
      }
      add(connections_,
          connection_key(lane.source, lane.source_port, lane.destination, lane.destination_port, lane.protocol), frame);
    }
  }

  // Calls append(type, bytes) for each table.
  template <class F>
  void serialise(F append) {
    Compressor compressor(1);
    ByteSink out;
    auto one = [&](SectionType type, PostingTableBuilder& table) {
      out.clear();
      table.serialise(compressor, out);
      append(type, out.bytes());
    };
    one(SectionType::kHosts, hosts_);
    one(SectionType::kPorts, ports_);
    one(SectionType::kProtocols, protocols_);
    one(SectionType::kConnections, connections_);
    one(SectionType::kFlowIds, flow_ids_);
    one(SectionType::kUnindexedFrames, unindexed_);
  }

 private:
  template <class T>
  static void add(PostingTableBuilder& table, T key, uint32_t frame) {
    uint8_t bytes[sizeof(T)];
    for (size_t i = 0; i < sizeof(T); i++) bytes[i] = static_cast<uint8_t>(key >> 8 * (sizeof(T) - 1 - i));
    table.add(bytes, frame);
  }

  PostingTableBuilder hosts_{16}, ports_{2}, protocols_{1}, connections_{8}, flow_ids_{8}, unindexed_{1};
};

void append_section(FrameHeader& header, SectionType type, std::span<const uint8_t> bytes, ByteSink& out) {
  Section section;
  section.type = type;
  section.stored_bytes = section.raw_bytes = static_cast<uint32_t>(bytes.size());
  section.checksum = checksum(bytes);
  header.sections.push_back(section);
  out.bytes(bytes);
}

// Lanes that cannot be read put their frame among those that match anything.
bool index_frame(SegmentReader& segment, uint32_t frame, FrameReader& reader, IndexBuilder& builder) {
  FrameHeader header;
  std::vector<uint8_t> sections;
  constexpr size_t kLanesUsually = 16 << 10;
  if (!segment.read_frame(frame, kLanesUsually, header, sections)) return false;
  const size_t before_literals = FrameReader::bytes_before_literals(header);
  if (sections.size() < before_literals && !segment.read_frame(frame, before_literals, header, sections)) return false;
  if (!reader.read_lanes(header, sections)) return false;
  builder.add(reader.lanes(), frame);
  return true;
}

}  // namespace

Result<SealedSegment> seal_segment(FileSystem& files, const std::string& path) {
  auto opened = SegmentReader::open(files, path, [](const std::string& file, uint64_t offset, const char* what) {
    log_warning("{}: offset {}: {}", file, offset, what);
  });
  if (!opened) return pass_on(opened);
  SegmentReader& segment = **opened;
  SealedSegment sealed{segment.header(), segment.summary(), segment.file_bytes(), segment.sealed()};
  if (sealed.was_sealed) return sealed;

  IndexBuilder builder;
  FrameReader reader;
  if (segment.header().kind == SegmentKind::kPackets) {
    Lane undecided;
    undecided.flags = kLaneUndecided;
    for (uint32_t frame = 0; frame < segment.frames().size(); frame++) {
      if (!index_frame(segment, frame, reader, builder)) builder.add({&undecided, 1}, frame);
    }
  }
  const uint64_t end = segment.end_of_frames();
  sealed.summary.torn_bytes = segment.file_bytes() - end;

  FrameHeader header;
  header.kind = FrameKind::kIndex;
  header.segment_id = segment_id(segment.header().uuid);
  header.number = static_cast<uint32_t>(segment.frames().size());
  header.time_min_ns = sealed.summary.time_min_ns;
  header.time_max_ns = sealed.summary.time_max_ns;
  ByteSink body, section;
  for (const FrameEntry& frame : segment.frames()) frame.serialise(section);
  append_section(header, SectionType::kFrameTable, section.bytes(), body);
  section.clear();
  sealed.summary.serialise(section);
  append_section(header, SectionType::kSegmentSummary, section.bytes(), body);
  if (segment.header().kind == SegmentKind::kPackets) {
    builder.serialise(
        [&](SectionType type, std::span<const uint8_t> bytes) { append_section(header, type, bytes, body); });
  }
  ByteSink index;
  header.serialise(index.reserve(header.header_bytes()));
  index.commit(header.header_bytes());
  index.bytes(body.bytes());
  const Trailer trailer{end, end + index.size() + Trailer::kBytes};
  index.bytes(trailer.serialise());

  if (Result<void> read = segment.read_status(); !read) return pass_on(read);
  auto opened_again = files.open_to_change(path);
  if (!opened_again) return pass_on(opened_again);
  File& file = **opened_again;
  if (sealed.summary.torn_bytes != 0) {
    if (auto cut = file.truncate(end); !cut) return pass_on(cut);
  }
  if (auto written = file.write_at(end, index.bytes()); !written) {
    (void)file.truncate(end);  // a whole disk: the segment stays as it was, unsealed and readable
    return pass_on(written);
  }
  if (auto synced = file.sync(); !synced) return pass_on(synced);
  sealed.file_bytes = trailer.file_bytes;
  return sealed;
}

}  // namespace gatetape
