#include "storage/evidence/segment_verify.h"

#include <algorithm>
#include <cstring>

#include "packet/records.h"
#include "storage/evidence/posting_table_check.h"
#include "storage/format/byte_order.h"
#include "storage/format/segment_index.h"
#include "storage/read/record_reader.h"

namespace gatetape {
namespace {

size_t first_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

bool equal(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return a.size() == b.size() && first_difference(a, b) == a.size();
}

bool sections_intact(const FrameHeader& header, std::span<const uint8_t> sections) {
  for (const Section& section : header.sections) {
    if (sections.size() < section.stored_bytes || !section_intact(section, sections.first(section.stored_bytes))) {
      return false;
    }
    sections = sections.subspan(section.stored_bytes);
  }
  return sections.empty();
}

// Whether all of a segment is as it was written, by its checksums: what a power cut may have done, these find, and they
// are much cheaper than hashing.
Result<bool> all_intact(FileSystem& files, const std::string& path) {
  auto segment = SegmentReader::open(files, path, [](const std::string&, uint64_t, const char*) {});
  if (!segment) return pass_on(segment);
  uint64_t end = (*segment)->header().serialise().size();
  bool intact = true;
  FrameHeader header;
  std::vector<uint8_t> sections;
  for (uint32_t frame = 0; intact && frame < (*segment)->frames().size(); frame++) {
    const FrameEntry& entry = (*segment)->frames()[frame];
    intact = entry.offset == end && (*segment)->read_frame(frame, entry.stored_bytes, header, sections) &&
             sections_intact(header, sections);
    end = entry.offset + entry.stored_bytes;
  }
  if (intact) {
    sections.resize((*segment)->file_bytes() - end);
    size_t needed = 0;
    intact = (*segment)->sealed() && (*segment)->read_bytes(end, sections) && sections.size() >= Trailer::kBytes;
    const auto index = std::span(sections).first(intact ? sections.size() - Trailer::kBytes : 0);
    intact =
        intact &&
        FrameHeader::parse(index, segment_id((*segment)->header().uuid), header, needed) == FrameHeader::Parse::kOk &&
        sections_intact(header, index.subspan(header.header_bytes()));
  }
  if (Result<void> read = (*segment)->read_status(); !read) return pass_on(read);
  return intact;
}

}  // namespace

SegmentVerifier::SegmentVerifier(FileSystem& files, size_t literal_bytes, std::atomic<uint64_t>& progress)
    : files_(files), progress_(progress), cache_(literal_bytes) {}

SegmentVerifier::~SegmentVerifier() = default;

bool SegmentVerifier::wrong(uint64_t offset, std::string what) {
  if (!finding_) finding_ = Finding{path_, offset, std::move(what)};
  return false;
}

// Exactly these bytes of the file.
bool SegmentVerifier::read(uint64_t offset, size_t size, std::vector<uint8_t>& out) {
  out.resize(size);
  const auto got = file_->read_at(offset, out);
  cannot_read_ |= !got;
  if (!got) return wrong(offset, fmt::format("cannot be read: {}", got.error().message));
  return *got == size || wrong(offset + *got, "the file ends here");
}

std::optional<Finding> SegmentVerifier::verify(const std::string& path, const SegmentFacts& listed, bool recovered,
                                               const SegmentDamage& damage) {
  known_ = damage;
  looking_ = false;
  check(path, listed, recovered);
  if (!finding_ && digest_ != known_.digest) wrong(0, "what a crash damaged is not as it was found");
  return finding_;
}

Result<SegmentDamage> SegmentVerifier::find_damage(const std::string& path, const SegmentFacts& facts) {
  auto intact = all_intact(files_, path);
  if (!intact) return pass_on(intact);
  known_ = {};
  if (*intact) return known_;
  looking_ = true;
  check(path, facts, true);
  if (cannot_read_ && !finding_) wrong(0, "cannot be read");
  if (!finding_ && known_.frames.size() > SegmentDamage::kFramesMax) wrong(0, "too many of its frames are damaged");
  if (finding_) return fail("{}: offset {}: {}", finding_->file, finding_->offset, finding_->what);
  known_.digest = digest_;
  return known_;
}

void SegmentVerifier::check(const std::string& path, const SegmentFacts& listed, bool recovered) {
  finding_.reset();
  digest_ = {};
  cannot_read_ = false;
  remark_.clear();
  path_ = path;
  entries_.clear();
  roots_.clear();
  summary_ = {};
  index_ = std::make_unique<SegmentIndexBuilder>();
  hasher_.begin_segment();
  auto file = files_.open_to_read(path);
  if (!file) {
    wrong(0, file.error().message);
    return;
  }
  file_ = std::move(*file);
  if (!check_header(listed)) return;
  auto segment = SegmentReader::open(files_, path, [this](const std::string&, uint64_t offset, const char* what) {
    damage_offset_ = offset;
    damage_ = what;
  });
  if (!segment) {
    wrong(0, segment.error().message);
  } else if (check_frames(**segment, listed, recovered)) {
    const uint64_t end = (*segment)->end_of_frames();
    if (known_.index || (!check_index(listed, end) && looking_)) pass_damaged_index(listed, end);
  }
  cannot_read_ |= segment && !(*segment)->read_status();
}

bool SegmentVerifier::is_damaged(uint32_t frame) const {
  return std::ranges::binary_search(known_.frames, frame);
}

bool SegmentVerifier::hash_damaged(uint64_t offset, uint64_t size) {
  std::vector<uint8_t> bytes;
  if (!read(offset, size, bytes)) return false;
  bytes.insert(bytes.begin(), digest_.begin(), digest_.end());
  digest_ = sha256(bytes);
  return true;
}

// Stands in the tree with the root that it had; sealing put its lanes into the index if they could be read.
bool SegmentVerifier::pass_damaged_frame(const FrameEntry& entry, const SegmentFacts& listed) {
  finding_.reset();
  damage_.clear();
  if (looking_) known_.frames.push_back(static_cast<uint32_t>(roots_.size()));
  if (!hash_damaged(entry.offset, entry.stored_bytes) || !read(entry.offset, entry.header_bytes, frame_)) return false;
  size_t needed = 0;
  const bool has_header =
      FrameHeader::parse(frame_, segment_id(segment_header_.uuid), header_, needed) == FrameHeader::Parse::kOk &&
      header_.stored_bytes() == entry.stored_bytes && header_.header_bytes() == entry.header_bytes;
  if (segment_header_.kind == SegmentKind::kPackets) {
    const auto frame = static_cast<uint32_t>(roots_.size());
    const bool has_lanes =
        has_header && read(entry.offset + entry.header_bytes, FrameReader::bytes_before_literals(header_), sections_) &&
        reader_.read_lanes(header_, sections_);
    has_lanes ? index_->add(reader_.lanes(), frame) : index_->add_unreadable(frame);
  }
  entries_.push_back(entry);
  roots_.push_back(entry.root);
  const SegmentSummary before = summary_;
  const bool first = entries_.size() == 1;
  summary_.packets += entry.packets;
  summary_.captured_bytes += entry.captured_bytes;
  summary_.account_added = has_header ? header_.account_added : listed.added;
  summary_.account_dropped = has_header ? header_.account_dropped : listed.dropped;
  summary_.time_min_ns = first ? entry.time_min_ns : std::min(before.time_min_ns, entry.time_min_ns);
  summary_.time_max_ns = first ? entry.time_max_ns : std::max(before.time_max_ns, entry.time_max_ns);
  remark_ = fmt::format(
      "{} of its frames (the last at offset {}) had been damaged when a crash was recovered from: "
      "nobody vouches for what they held",
      known_.frames.size(), entry.offset);
  return true;
}

bool SegmentVerifier::pass_damaged_index(const SegmentFacts& listed, uint64_t end_of_frames) {
  finding_.reset();
  known_.index = true;
  if (remark_.empty()) remark_ = "its index had been damaged when a crash was recovered from";
  return hash_damaged(end_of_frames, listed.file_bytes - std::min(listed.file_bytes, end_of_frames));
}

// The header says what the ledger says; the root, which covers all of it, is compared at the end.
bool SegmentVerifier::check_header(const SegmentFacts& listed) {
  const auto status = file_->status();
  if (!status) return wrong(0, status.error().message);
  std::vector<uint8_t> bytes;
  if (!read(0, std::min<size_t>(status->bytes, kHeaderBytesMax), bytes)) return false;
  size_t size = 0;
  auto header = SegmentHeader::parse(bytes, size);
  if (!header) return wrong(0, header.error().message);
  segment_header_ = std::move(*header);
  segment_header_bytes_.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
  const SegmentHeader& h = segment_header_;
  if (h.uuid != listed.uuid || h.kind != listed.kind || h.retention != listed.retention || h.worker != listed.worker ||
      h.sequence != listed.sequence || h.run_uuid != listed.run_uuid || h.run_started_ns != listed.run_started_ns) {
    return wrong(0, "the header is not that of the segment that was sealed");
  }
  if (file_name(path_) != segment_file_name(h)) {
    return wrong(0, fmt::format("this file was sealed under the name {}", segment_file_name(h)));
  }
  if (status->bytes == listed.file_bytes) return true;
  return wrong(std::min(status->bytes, listed.file_bytes),
               fmt::format("the file has {} bytes, but {} were sealed", status->bytes, listed.file_bytes));
}

bool SegmentVerifier::check_frames(SegmentReader& segment, const SegmentFacts& listed, bool recovered) {
  cache_.clear();
  CachedLiterals cached(segment, cache_);
  RememberedLiterals literals(cached);
  uint64_t end = segment_header_bytes_.size();
  uint32_t next_number = 0;
  bool after_hole = false;
  for (uint32_t number = 0; number < segment.frames().size(); number++) {
    const FrameEntry& entry = segment.frames()[number];
    if (entry.offset != end) {
      if (!recovered || entry.offset < end) return wrong(end, "no frame begins here");
      remark_ = fmt::format("offset {}: {} bytes are no frame: a crash left them, and it was sealed with them", end,
                            entry.offset - end);
    }
    literals.clear();
    // Frames that a hole took have left their numbers out.
    after_hole |= entry.offset != end;
    end = entry.offset + entry.stored_bytes;
    if (is_damaged(number) ||
        (!check_frame(entry, after_hole ? std::nullopt : std::optional(next_number), literals) && looking_)) {
      if (!pass_damaged_frame(entry, listed)) return false;
      after_hole = true;
      next_number++;
      continue;
    }
    if (finding_) return false;
    if (after_hole && header_.number < next_number) return wrong(entry.offset, "a frame is out of order");
    after_hole = false;
    next_number = header_.number + 1;
    progress_ += entry.captured_bytes;
  }
  if (end != segment.end_of_frames()) return wrong(end, "bytes after the last frame are none");
  return check_sums(listed);
}

bool SegmentVerifier::check_sums(const SegmentFacts& listed) {
  summary_.torn_bytes = listed.torn_bytes;
  summary_.root = hasher_.tree().segment_root(segment_header_bytes_, roots_);
  if (roots_.size() != listed.frames || summary_.root != listed.root) {
    return wrong(0, fmt::format("its {} frames are intact, but not those that were sealed", roots_.size()));
  }
  if (summary_.packets == listed.packets && summary_.captured_bytes == listed.captured_bytes &&
      summary_.account_added == listed.added && summary_.account_dropped == listed.dropped &&
      summary_.time_min_ns == listed.time_min_ns && summary_.time_max_ns == listed.time_max_ns) {
    return true;
  }
  return wrong(0, "its packets, times or account are not what the ledger says of it");
}

bool SegmentVerifier::check_frame(const FrameEntry& entry, std::optional<uint32_t> number,
                                  RememberedLiterals& literals) {
  if (!read(entry.offset, entry.header_bytes, frame_)) return false;
  size_t needed = 0;
  if (FrameHeader::parse(frame_, segment_id(segment_header_.uuid), header_, needed) != FrameHeader::Parse::kOk ||
      header_.stored_bytes() != entry.stored_bytes) {
    return wrong(entry.offset, "a frame's header is damaged");
  }
  std::vector<uint8_t> again(header_.header_bytes());
  header_.serialise(again.data());
  const bool packets = segment_header_.kind == SegmentKind::kPackets;
  if (!equal(again, std::span(frame_).first(again.size())) || header_.number != number.value_or(header_.number) ||
      header_.kind != (packets ? FrameKind::kPackets : FrameKind::kRecords)) {
    return wrong(entry.offset, "a frame's header says what it should not");
  }
  if (!read_sections(entry)) return false;
  if (!(packets ? check_packets(entry, literals) : check_records(entry))) return false;
  entries_.push_back(FrameEntry::from(header_, entry.offset));
  roots_.push_back(header_.root);
  const bool first = entries_.size() == 1;
  summary_.packets += header_.packets;
  summary_.captured_bytes += header_.captured_bytes;
  summary_.account_added = header_.account_added;
  summary_.account_dropped = header_.account_dropped;
  summary_.time_min_ns = first ? header_.time_min_ns : std::min(summary_.time_min_ns, header_.time_min_ns);
  summary_.time_max_ns = first ? header_.time_max_ns : std::max(summary_.time_max_ns, header_.time_max_ns);
  return true;
}

// Reads the sections before the literals. Literals are read, and checked, block by block when the payload is put
// together; here it is only made sure that all of them will be.
bool SegmentVerifier::read_sections(const FrameEntry& entry) {
  uint64_t at = entry.offset + header_.header_bytes();
  if (!read(at, FrameReader::bytes_before_literals(header_), sections_)) return false;
  uint64_t literals = header_.literal_bytes;
  std::span<const uint8_t> rest = sections_;
  for (const Section& section : header_.sections) {
    if (section.type == SectionType::kLiterals) {
      const uint64_t raw = std::min<uint64_t>(literals, segment_header_.literal_block_bytes);
      if (raw == 0 || section.raw_bytes != raw) return wrong(at, "literals of another size than the frame has");
      literals -= raw;
    } else if (rest.size() < section.stored_bytes || !section_intact(section, rest.first(section.stored_bytes))) {
      return wrong(at, "a section's bytes are damaged");
    } else {
      rest = rest.subspan(section.stored_bytes);
    }
    at += section.stored_bytes;
  }
  return literals == 0 || wrong(entry.offset, "the frame lacks literals");
}

bool SegmentVerifier::check_packets(const FrameEntry& entry, RememberedLiterals& literals) {
  if (!reader_.read_lanes(header_, sections_)) return wrong(entry.offset, reader_.what());
  wanted_.assign(reader_.lanes().size(), true);
  damage_.clear();
  if (!reader_.read_packets(header_, sections_) || !reader_.read_payload(header_, sections_, wanted_, literals)) {
    if (!damage_.empty()) return wrong(damage_offset_, damage_);
    return wrong(entry.offset, reader_.what());
  }
  uint64_t captured = 0, ordinal_min = UINT64_MAX, ordinal_max = 0;
  int64_t time_min = INT64_MAX, time_max = INT64_MIN;
  for (const PacketRow& row : reader_.rows()) {
    captured += row.captured_length;
    ordinal_min = std::min(ordinal_min, row.ordinal);
    ordinal_max = std::max(ordinal_max, row.ordinal);
    time_min = std::min(time_min, row.timestamp_ns);
    time_max = std::max(time_max, row.timestamp_ns);
  }
  if (captured != header_.captured_bytes || ordinal_min != header_.ordinal_min || ordinal_max != header_.ordinal_max ||
      time_min != header_.time_min_ns || time_max != header_.time_max_ns) {
    return wrong(entry.offset, "a frame's header does not describe its packets");
  }
  std::span<const uint8_t> lanes;
  if (!reader_.section(header_, sections_, SectionType::kLanes, raw_, lanes))
    return wrong(entry.offset, reader_.what());
  index_->add(reader_.lanes(), static_cast<uint32_t>(roots_.size()));
  const auto root = hasher_.frame_root(segment_header_.uuid, header_, lanes, reader_, literals.pieces());
  return root == header_.root || wrong(entry.offset, "the packets of this frame are not those that it was hashed over");
}

bool SegmentVerifier::check_records(const FrameEntry& entry) {
  std::span<const uint8_t> batch;
  if (!reader_.section(header_, sections_, SectionType::kRecordBatch, raw_, batch)) {
    return wrong(entry.offset, reader_.what());
  }
  uint64_t records = 0, known = 0;
  RecordTypes types = 0;
  int64_t time_min = INT64_MAX, time_max = INT64_MIN;
  auto read = for_each_raw_record(batch, [&](uint8_t type, std::span<const uint8_t>) {
    records++;
    if (type < 32) types |= RecordTypes{1} << type;
  });
  if (read) {
    read = for_each_record(batch, [&](const Record& record) {
      known++;
      const RecordTime time = time_of(record);
      time_min = std::min(time_min, time.first_ns);
      time_max = std::max(time_max, time.last_ns);
    });
  }
  if (!read) return wrong(entry.offset, read.error().message);
  const bool times_known = known == records;
  if (records != header_.packets || types != header_.literal_position || batch.size() != header_.captured_bytes ||
      (times_known && (time_min != header_.time_min_ns || time_max != header_.time_max_ns))) {
    return wrong(entry.offset, "a frame's header does not describe its records");
  }
  ByteSink message;
  message.put(uint8_t{0});
  message.bytes(batch);
  std::vector<Sha256Digest> leaf{sha256(message.bytes())};
  const auto root = hasher_.tree().frame_root(segment_header_.uuid, header_, {}, leaf);
  return root == header_.root || wrong(entry.offset, "the records of this frame are not those that it was hashed over");
}

// The index and the trailer, made again from the frames.
bool SegmentVerifier::check_index(const SegmentFacts& listed, uint64_t end_of_frames) {
  ByteSink rebuilt;
  index_->serialise(segment_header_, entries_, summary_, rebuilt);
  if (listed.file_bytes < end_of_frames + Trailer::kBytes) return wrong(end_of_frames, "the index is missing");
  const size_t index_bytes = listed.file_bytes - Trailer::kBytes - end_of_frames;
  std::vector<uint8_t> stored, trailer;
  if (!read(end_of_frames, index_bytes, stored) ||
      !read(listed.file_bytes - Trailer::kBytes, Trailer::kBytes, trailer)) {
    return false;
  }
  if (!equal(stored, rebuilt.bytes()) && !check_tables(stored, rebuilt.bytes(), end_of_frames)) return false;
  const auto right = Trailer{end_of_frames, listed.file_bytes}.serialise();
  return equal(trailer, right) ||
         wrong(listed.file_bytes - Trailer::kBytes + first_difference(trailer, right), "the trailer is damaged");
}

// The bytes differ. Another version of zstd may have packed the same tables in other bytes: what they say decides.
bool SegmentVerifier::check_tables(std::span<const uint8_t> stored, std::span<const uint8_t> rebuilt, uint64_t offset) {
  const std::string_view what = "the index does not follow from the packets";
  const uint64_t difference = offset + first_difference(stored, rebuilt);
  FrameHeader is, should;
  size_t needed;
  const uint64_t id = segment_id(segment_header_.uuid);
  if (FrameHeader::parse(stored, id, is, needed) != FrameHeader::Parse::kOk) {
    return wrong(difference, "the index's header is damaged");
  }
  if (FrameHeader::parse(rebuilt, id, should, needed) != FrameHeader::Parse::kOk)
    return wrong(offset, std::string(what));
  if (is.stored_bytes() != stored.size() || is.sections.size() != should.sections.size()) {
    return wrong(difference, std::string(what));
  }
  size_t is_at = is.header_bytes(), should_at = should.header_bytes();
  for (size_t i = 0; i < is.sections.size(); i++) {
    Section& section = is.sections[i];
    const auto is_bytes = stored.subspan(is_at, section.stored_bytes);
    const auto should_bytes = rebuilt.subspan(should_at, should.sections[i].stored_bytes);
    if (!section_intact(section, is_bytes)) return wrong(offset + is_at, "a section of the index is damaged");
    if (!equal(is_bytes, should_bytes) && !same_postings(section.type, is_bytes, should_bytes)) {
      return wrong(offset + is_at + first_difference(is_bytes, should_bytes), std::string(what));
    }
    is_at += is_bytes.size();
    should_at += should_bytes.size();
    // Packed otherwise, a table may have another size.
    section.stored_bytes = should.sections[i].stored_bytes;
    section.raw_bytes = should.sections[i].raw_bytes;
    section.checksum = should.sections[i].checksum;
  }
  std::vector<uint8_t> header(is.header_bytes());
  is.serialise(header.data());
  return equal(header, rebuilt.first(header.size())) || wrong(offset, "the index's header says what it should not");
}

}  // namespace gatetape
