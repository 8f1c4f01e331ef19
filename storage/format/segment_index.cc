#include "storage/format/segment_index.h"

#include "storage/format/byte_order.h"
#include "storage/format/lane_filter.h"

namespace gatetape {
namespace {

void append_section(FrameHeader& header, SectionType type, std::span<const uint8_t> bytes, ByteSink& out) {
  Section section;
  section.type = type;
  section.stored_bytes = section.raw_bytes = static_cast<uint32_t>(bytes.size());
  section.checksum = checksum(bytes);
  header.sections.push_back(section);
  out.bytes(bytes);
}

}  // namespace

template <class T>
void SegmentIndexBuilder::add(PostingTableBuilder& table, T key, uint32_t frame) {
  uint8_t bytes[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); i++) bytes[i] = static_cast<uint8_t>(key >> 8 * (sizeof(T) - 1 - i));
  table.add(bytes, frame);
}

void SegmentIndexBuilder::add(std::span<const Lane> lanes, uint32_t frame) {
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

void SegmentIndexBuilder::add_unreadable(uint32_t frame) {
  Lane undecided;
  undecided.flags = kLaneUndecided;
  add({&undecided, 1}, frame);
}

void SegmentIndexBuilder::serialise(const SegmentHeader& segment, std::span<const FrameEntry> frames,
                                    const SegmentSummary& summary, ByteSink& out) {
  FrameHeader header;
  header.kind = FrameKind::kIndex;
  header.segment_id = segment_id(segment.uuid);
  header.number = static_cast<uint32_t>(frames.size());
  header.time_min_ns = summary.time_min_ns;
  header.time_max_ns = summary.time_max_ns;
  ByteSink body, section;
  for (const FrameEntry& frame : frames) frame.serialise(section);
  append_section(header, SectionType::kFrameTable, section.bytes(), body);
  section.clear();
  summary.serialise(section);
  append_section(header, SectionType::kSegmentSummary, section.bytes(), body);
  if (segment.kind == SegmentKind::kPackets) {
    Compressor compressor(1);
    const auto table = [&](SectionType type, PostingTableBuilder& builder) {
      section.clear();
      builder.serialise(compressor, section);
      append_section(header, type, section.bytes(), body);
    };
    table(SectionType::kHosts, hosts_);
    table(SectionType::kPorts, ports_);
    table(SectionType::kProtocols, protocols_);
    table(SectionType::kConnections, connections_);
    table(SectionType::kFlowIds, flow_ids_);
    table(SectionType::kUnindexedFrames, unindexed_);
  }
  header.serialise(out.reserve(header.header_bytes()));
  out.commit(header.header_bytes());
  out.bytes(body.bytes());
}

}  // namespace gatetape
