#include "storage/write/segment_seal.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/log.h"
#include "storage/format/segment_index.h"
#include "storage/read/frame_reader.h"
#include "storage/read/segment_reader.h"

namespace gatetape {
namespace {

// Lanes that cannot be read put their frame among those that match anything.
bool index_frame(SegmentReader& segment, uint32_t frame, FrameReader& reader, SegmentIndexBuilder& builder) {
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

// Whether the segment was sealed before something in its index or its trailer was damaged: one of the two is still
// whole. A crash while sealing leaves neither.
bool was_sealed_once(SegmentReader& segment) {
  if (segment.met_index()) return true;
  std::vector<uint8_t> bytes(Trailer::kBytes);
  Trailer trailer;
  return segment.file_bytes() >= bytes.size() && segment.read_bytes(segment.file_bytes() - bytes.size(), bytes) &&
         Trailer::parse(bytes, trailer) && trailer.file_bytes == segment.file_bytes();
}

// No read lacks room, whatever it says: nothing is to be evicted for it.
tl::unexpected<Error> unreadable(Error error) {
  if (is_out_of_space(error)) error.code = EIO;
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace

SegmentFacts facts_of(const SealedSegment& sealed, const std::string& path) {
  SegmentFacts facts;
  facts.kind = sealed.header.kind;
  facts.retention = sealed.header.retention;
  facts.worker = sealed.header.worker;
  facts.sequence = sealed.header.sequence;
  facts.uuid = sealed.header.uuid;
  facts.run_uuid = sealed.header.run_uuid;
  facts.run_started_ns = sealed.header.run_started_ns;
  facts.file_bytes = sealed.file_bytes;
  facts.frames = sealed.frames;
  facts.packets = sealed.summary.packets;
  facts.captured_bytes = sealed.summary.captured_bytes;
  facts.added = sealed.summary.account_added;
  facts.dropped = sealed.summary.account_dropped;
  facts.time_min_ns = sealed.summary.time_min_ns;
  facts.time_max_ns = sealed.summary.time_max_ns;
  facts.torn_bytes = sealed.summary.torn_bytes;
  facts.root = sealed.summary.root;
  facts.directory = parent_directory(path);
  return facts;
}

Result<SealedSegment> seal_segment(FileSystem& files, const std::string& path) {
  auto opened = SegmentReader::open(files, path, [](const std::string& file, uint64_t offset, const char* what) {
    log_warning("{}: offset {}: {}", file, offset, what);
  });
  if (!opened) return unreadable(opened.error());
  SegmentReader& segment = **opened;
  SealedSegment sealed{.header = segment.header(),
                       .summary = segment.summary(),
                       .frames = static_cast<uint32_t>(segment.frames().size()),
                       .file_bytes = segment.file_bytes(),
                       .was_sealed = segment.sealed(),
                       .synced = {}};
  if (sealed.was_sealed) return sealed;
  if (Result<void> read = segment.read_status(); !read) return unreadable(read.error());
  if ((sealed.was_sealed = was_sealed_once(segment))) {
    log_warning("{}: sealed, but its index or trailer is damaged: it is left as it is, and read without them", path);
    return sealed;
  }

  SegmentIndexBuilder builder;
  FrameReader reader;
  if (segment.header().kind == SegmentKind::kPackets) {
    for (uint32_t frame = 0; frame < segment.frames().size(); frame++) {
      if (!index_frame(segment, frame, reader, builder)) builder.add_unreadable(frame);
    }
  }
  const uint64_t end = segment.end_of_frames();
  sealed.summary.torn_bytes = segment.file_bytes() - end;

  ByteSink index;
  builder.serialise(segment.header(), segment.frames(), sealed.summary, index);
  const Trailer trailer{end, end + index.size() + Trailer::kBytes};
  index.bytes(trailer.serialise());

  if (Result<void> read = segment.read_status(); !read) return unreadable(read.error());
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
  sealed.synced = file.sync();
  sealed.file_bytes = trailer.file_bytes;
  return sealed;
}

}  // namespace gatetape
