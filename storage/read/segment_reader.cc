#include "storage/read/segment_reader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

#include "storage/format/bit_repair.h"
#include "storage/format/hash_tree.h"
#include "storage/format/lane_filter.h"
#include "storage/read/frame_finder.h"
#include "storage/read/frame_reader.h"

namespace gatetape {

namespace {

uint64_t next_id() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

// The header, if one bit of it flipped and what it then says is a segment of packets: what records say is proof, and is
// not guessed at. The header of any segment with a few interfaces is among the bytes that are tried.
std::optional<SegmentHeader> repaired_header(std::span<uint8_t> bytes, size_t& header_bytes) {
  constexpr size_t kTried = 1024;
  std::optional<SegmentHeader> repaired;
  repair_by_trying(bytes.first(std::min(bytes.size(), kTried)), [&] {
    const auto header = SegmentHeader::parse(bytes, header_bytes);
    if (header && header->kind == SegmentKind::kPackets) repaired = *header;
    return repaired.has_value();
  });
  return repaired;
}

// The segment's header, which begins the file. `repaired`: may it be, and was it?
Result<SegmentHeader> read_header(File& file, const std::string& path, size_t& header_bytes, bool& repaired) {
  constexpr size_t kUsually = 4096;
  std::vector<uint8_t> bytes;
  for (const size_t wanted : {kUsually, kHeaderBytesMax}) {  // many interfaces need more
    bytes.resize(wanted);
    auto n = file.read_at(0, bytes);
    if (!n) return pass_on(n);
    const std::span<uint8_t> there(bytes.data(), *n);
    auto header = SegmentHeader::parse(there, header_bytes);
    if (header) {
      repaired = false;
      return header;
    }
    if (repaired) {
      if (auto whole = repaired_header(there, header_bytes)) return *whole;
    }
    if (*n < wanted || wanted == kHeaderBytesMax) return fail("{}: {}", path, header.error().message);
  }
  return fail("{}: not a segment", path);
}

}  // namespace

Result<std::unique_ptr<SegmentReader>> SegmentReader::open(FileSystem& files, const std::string& path,
                                                           DamageReport damage, DamageReport repair) {
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  auto status = (*file)->status();
  if (!status) return pass_on(status);
  size_t header_bytes = 0;
  bool repaired = repair != nullptr;
  auto header = read_header(**file, path, header_bytes, repaired);
  if (!header) return pass_on(header);
  if (repaired) repair(path, 0, "a bit of the segment's header had flipped");
  if (header->kind != SegmentKind::kPackets) repair = nullptr;
  std::unique_ptr<SegmentReader> reader(new SegmentReader(path, std::move(*file), status->bytes, std::move(*header),
                                                          header_bytes, std::move(damage), std::move(repair)));
  reader->read_trailer();
  return reader;
}

SegmentReader::SegmentReader(std::string path, std::unique_ptr<File> file, uint64_t file_bytes, SegmentHeader header,
                             size_t header_bytes, DamageReport damage, DamageReport repair)
    : id_(next_id()),
      path_(std::move(path)),
      file_(std::move(file)),
      header_(std::move(header)),
      header_bytes_(header_bytes),
      damage_(std::move(damage)),
      repair_(std::move(repair)),
      file_bytes_(file_bytes) {}

namespace {

// Whether zeros stand where a header has its end, or, where its size is not there either, from that on: a power cut
// took the rest of a header that was written in parts.
bool header_stops_short(std::span<const uint8_t> bytes) {
  constexpr size_t kSizeAt = 12, kLeast = 136;
  if (bytes.size() < kLeast) return false;
  ByteSource in(bytes.subspan(kSizeAt));
  const auto size = in.get<uint32_t>();
  if (size == 0)
    return std::ranges::all_of(bytes.first(kLeast).subspan(kSizeAt), [](uint8_t byte) { return byte == 0; });
  return size >= kLeast && size <= bytes.size() && bytes[size - 1] == 0;
}

}  // namespace

Result<TornHeader> torn_header(FileSystem& files, const std::string& path) {
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  const auto status = (*file)->status();
  if (!status) return tl::unexpected(status.error());
  std::vector<uint8_t> begin(kHeaderBytesMax);
  const auto got = (*file)->read_at(0, begin);
  if (!got) return tl::unexpected(got.error());
  begin.resize(*got);
  const auto first = std::ranges::find_if(begin, [](uint8_t byte) { return byte != 0; });
  const bool only_zeros = first == begin.end() && begin.size() == status->bytes;
  if (only_zeros || SegmentHeader::ends_inside(begin)) return TornHeader::kNothingBehind;
  constexpr ptrdiff_t kMagic = 8;
  const bool torn = first - begin.begin() >= kMagic || header_stops_short(begin);
  return torn ? TornHeader::kBytesBehind : TornHeader::kNo;
}

// How many bytes were there. Refused by the device is as none; read_status() keeps it.
size_t SegmentReader::read(uint64_t offset, std::span<uint8_t> out) {
  auto n = file_->read_at(offset, out);
  if (!n) {
    unreported_failure_ = fmt::format("cannot be read: {}", std::strerror(n.error().code));
    if (read_status_) read_status_ = pass_on(n);
    return 0;
  }
  bytes_read_ += *n;
  return *n;
}

bool SegmentReader::read_bytes(uint64_t offset, std::span<uint8_t> out) {
  return read(offset, out) == out.size();
}

// A reader of bytes that could not be read takes them for damage; the cause is reported instead.
void SegmentReader::report_damage(uint64_t offset, const char* what) {
  damage_(path_, offset, unreported_failure_.empty() ? what : unreported_failure_.c_str());
  unreported_failure_.clear();
}

void SegmentReader::read_trailer() {
  std::array<uint8_t, Trailer::kBytes> bytes;
  if (file_bytes_ < header_bytes_ + bytes.size()) return;
  if (!read_bytes(file_bytes_ - bytes.size(), bytes)) {
    report_damage(file_bytes_ - bytes.size(), "the trailer is missing: walking the frames instead");
    return;
  }
  if (!Trailer::parse(bytes, trailer_) || trailer_.file_bytes != file_bytes_ || trailer_.index_offset < header_bytes_)
    return;
  bool torn = false;
  sealed_ = read_header_at(trailer_.index_offset, index_, torn) && index_.kind == FrameKind::kIndex;
  if (!sealed_) report_damage(trailer_.index_offset, "the index's header is damaged: walking the frames instead");
}

// A frame header at `offset`. `torn`: the file ends inside it.
bool SegmentReader::read_header_at(uint64_t offset, FrameHeader& header, bool& torn) {
  torn = false;
  size_t needed = kFrameHeaderFixedBytes + 16 * kSectionEntryBytes;  // most headers in one read
  for (int attempt = 0; attempt < 3; attempt++) {
    header_buffer_.resize(needed);
    header_buffer_.resize(read(offset, header_buffer_));
    if (!unreported_failure_.empty()) return false;  // the device refused: no torn tail
    switch (FrameHeader::parse(header_buffer_, segment_id(header_.uuid), header, needed)) {
      case FrameHeader::Parse::kOk:
        return true;
      case FrameHeader::Parse::kDamaged:
        return repair_frame_header(offset, header_buffer_, header);
      case FrameHeader::Parse::kNeedMore:
        break;
    }
    if (offset + needed > file_bytes_) break;
  }
  if (repair_frame_header(offset, header_buffer_, header)) return true;
  torn = true;
  return false;
}

// A forged segment may have any number of damaged headers: only so many are tried.
bool SegmentReader::repair_frame_header(uint64_t offset, std::span<uint8_t> bytes, FrameHeader& header) {
  constexpr unsigned kRepairsMax = 16;
  constexpr size_t kTried = 2048;
  if (repair_ == nullptr || header_repairs_ == kRepairsMax) return false;
  ++header_repairs_;
  const bool repaired = repair_by_trying(bytes.first(std::min(bytes.size(), kTried)), [&] {
    size_t needed = 0;
    return FrameHeader::parse(bytes, segment_id(header_.uuid), header, needed) == FrameHeader::Parse::kOk;
  });
  if (repaired) repair_(path_, offset, "a bit of a frame's header had flipped");
  return repaired;
}

bool SegmentReader::repair_section(uint64_t offset, const Section& section, std::span<uint8_t> stored) {
  if (repair_ == nullptr || section.repair == 0 || stored.size() != section.stored_bytes) return false;
  const auto bit = flipped_bit(stored, section.repair);
  if (!bit) return false;
  flip(stored, *bit);
  if (section_intact(section, stored)) {
    repair_(path_, offset + *bit / 8, "a bit had flipped");
    return true;
  }
  flip(stored, *bit);
  return false;
}

bool SegmentReader::repair_sections(uint32_t frame, const FrameHeader& header, std::span<uint8_t> sections) {
  uint64_t offset = frames()[frame].offset + header.header_bytes();
  bool any = false;
  for (const Section& section : header.sections) {
    if (section.stored_bytes > sections.size()) break;
    const auto stored = sections.first(section.stored_bytes);
    if (!section_intact(section, stored) && repair_section(offset, section, stored)) any = true;
    sections = sections.subspan(stored.size());
    offset += stored.size();
  }
  return any;
}

const std::vector<FrameEntry>& SegmentReader::frames() {
  if (frames_known_) return frames_;
  frames_known_ = true;
  if (sealed_) read_index();
  if (!sealed_) walk();
  return frames_;
}

// Whether the table's frames follow each other between header and index. A row's claims are then bounded by the file.
bool SegmentReader::frames_apart() const {
  uint64_t end = header_bytes_;
  for (const FrameEntry& frame : frames_) {
    if (frame.offset < end || frame.offset > trailer_.index_offset ||
        frame.stored_bytes > trailer_.index_offset - frame.offset || frame.header_bytes > frame.stored_bytes) {
      return false;
    }
    end = frame.offset + frame.stored_bytes;
  }
  return true;
}

// Frame table and summary of a sealed segment; when they are damaged it is treated as not sealed.
void SegmentReader::read_index() {
  std::vector<uint8_t> bytes;
  uint64_t at = trailer_.index_offset + index_.header_bytes();
  bool have_table = false;
  for (const Section& section : index_.sections) {
    const uint64_t begin = at;
    at += section.stored_bytes;
    if (section.type != SectionType::kFrameTable && section.type != SectionType::kSegmentSummary) continue;
    bytes.resize(std::min<uint64_t>(section.stored_bytes, file_bytes_));
    if (section.codec != Codec::kStored || !read_bytes(begin, bytes) || !section_intact(section, bytes)) {
      report_damage(begin, "the index is damaged: walking the frames instead");
      continue;
    }
    if (section.type == SectionType::kSegmentSummary) {
      ByteSource in(bytes);  // longer than we know: a newer minor version
      summary_ = SegmentSummary::parse(in);
      continue;
    }
    have_table = parse_frame_table(bytes, index_.number, frames_) && frames_apart();
    if (!have_table) report_damage(begin, "the frame table contradicts itself: walking the frames instead");
  }
  end_of_frames_ = trailer_.index_offset;
  if (!have_table || !summary_) sealed_ = false;
}

void SegmentReader::walk() {
  FrameFinder finder([this](uint64_t at, std::span<uint8_t> out) { return read(at, out); }, segment_id(header_.uuid),
                     file_bytes_);
  frames_.clear();
  uint64_t offset = header_bytes_;
  end_of_frames_ = offset;
  while (offset < file_bytes_) {
    FrameHeader header;
    bool torn = false;
    uint64_t begin = offset;
    if (!read_header_at(offset, header, torn)) {
      begin = finder.next(offset + 1, header);
      if (begin == file_bytes_) {
        // Nothing whole follows: the tail of a crash or of a frame being written, unless there were bytes enough for a
        // header.
        if (!torn) report_damage(offset, "not a frame, and none follows");
        return;
      }
      report_damage(offset, "a frame's header is damaged");
    }
    if (header.kind == FrameKind::kIndex) {
      met_index_ = file_bytes_ - begin >= header.stored_bytes() + Trailer::kBytes;
      return;
    }
    if (header.stored_bytes() > file_bytes_ - begin) return;  // torn tail
    frames_.push_back(FrameEntry::from(header, begin));
    offset = begin + header.stored_bytes();
    end_of_frames_ = offset;
  }
}

uint64_t SegmentReader::end_of_frames() {
  frames();
  return end_of_frames_;
}

bool SegmentReader::has_holes() {
  uint64_t end = header_bytes_;
  for (const FrameEntry& frame : frames()) {
    if (frame.offset != end) return true;
    end = frame.offset + frame.stored_bytes;
  }
  return false;
}

SegmentSummary SegmentReader::summary() {
  frames();
  if (summary_) return *summary_;
  SegmentSummary sum;
  std::vector<Sha256Digest> roots;
  for (const FrameEntry& frame : frames_) {
    sum.time_min_ns = roots.empty() ? frame.time_min_ns : std::min(sum.time_min_ns, frame.time_min_ns);
    sum.time_max_ns = roots.empty() ? frame.time_max_ns : std::max(sum.time_max_ns, frame.time_max_ns);
    sum.packets += frame.packets;
    sum.captured_bytes += frame.captured_bytes;
    roots.push_back(frame.root);
  }
  std::vector<uint8_t> header(header_bytes_);  // its bytes: a newer version may have put more into it than we know
  if (read_bytes(0, header)) {
    sum.root = HashTree().segment_root(header, std::move(roots));
  } else {
    report_damage(0, "the segment's header is gone");
  }
  FrameHeader last;
  bool torn;
  if (!frames_.empty() && read_header_at(frames_.back().offset, last, torn)) {
    sum.account_added = last.account_added;
    sum.account_dropped = last.account_dropped;
  }
  summary_ = sum;
  return sum;
}

bool SegmentReader::read_frame(uint32_t frame, size_t section_bytes_at_least, FrameHeader& header,
                               std::vector<uint8_t>& sections) {
  const FrameEntry& entry = frames()[frame];
  // In one read when the caller wants no more than most frames have before their literals.
  const size_t wanted = std::min<size_t>(entry.stored_bytes, entry.header_bytes + section_bytes_at_least);
  sections.resize(wanted);
  if (entry.stored_bytes > file_bytes_ || !read_bytes(entry.offset, sections)) {
    report_damage(entry.offset, "the file ends inside a frame");
    return false;
  }
  size_t needed;
  const auto parsed = FrameHeader::parse(sections, segment_id(header_.uuid), header, needed);
  const bool whole = parsed == FrameHeader::Parse::kOk ||
                     repair_frame_header(
                         entry.offset, std::span(sections).first(std::min<size_t>(entry.header_bytes, wanted)), header);
  if (!whole || header.header_bytes() != entry.header_bytes || header.stored_bytes() != entry.stored_bytes) {
    report_damage(entry.offset, "a frame's header is damaged");
    return false;
  }
  sections.erase(sections.begin(), sections.begin() + header.header_bytes());
  return true;
}

std::optional<uint32_t> SegmentReader::frame_with_literal(uint64_t position) {
  const auto& all = frames();
  auto after = std::upper_bound(all.begin(), all.end(), position,
                                [](uint64_t p, const FrameEntry& frame) { return p < frame.literal_position; });
  if (after == all.begin()) return std::nullopt;
  --after;
  if (position - after->literal_position >= after->literal_bytes) return std::nullopt;
  return static_cast<uint32_t>(after - all.begin());
}

// The posting table of that type, opened on first use. False: damaged or not there.
bool SegmentReader::table(SectionType type, size_t key_bytes, PostingTable*& out) {
  for (auto& [known, posting_table] : tables_) {
    if (known != type) continue;
    out = posting_table.get();
    return out != nullptr;
  }
  uint64_t at = trailer_.index_offset + index_.header_bytes();
  tables_.emplace_back(type, nullptr);
  for (const Section& section : index_.sections) {
    if (section.type == type && section.codec == Codec::kStored) {
      auto opened = std::make_unique<PostingTable>();
      auto read = [this, at](uint64_t offset, std::span<uint8_t> bytes) { return read_bytes(at + offset, bytes); };
      const PostingTable::Bounds bounds{section.stored_bytes, static_cast<uint32_t>(frames_.size()), file_bytes_};
      if (at + section.stored_bytes > file_bytes_ || !opened->open(read, bounds, key_bytes)) {
        report_damage(at, "a posting table is damaged: reading without it");
        return false;
      }
      tables_.back().second = std::move(opened);
    }
    at += section.stored_bytes;
  }
  out = tables_.back().second.get();
  return out != nullptr;
}

namespace {

template <class T>
std::array<uint8_t, sizeof(T)> big_endian(T value) {
  std::array<uint8_t, sizeof(T)> bytes;
  for (size_t i = 0; i < sizeof(T); i++) bytes[i] = static_cast<uint8_t>(value >> 8 * (sizeof(T) - 1 - i));
  return bytes;
}

IpAddress last_address(const IpPrefix& prefix) {
  IpAddress last = prefix.address;
  for (int bit = prefix.length; bit < 128; bit++)
    last.bytes[static_cast<size_t>(bit / 8)] |= static_cast<uint8_t>(0x80 >> bit % 8);
  return last;
}

}  // namespace

// Frames in which some lane has what the term asks for. Members are looked up one by one, so a frame may have them in
// different lanes; the lanes themselves decide later. False: damaged.
bool SegmentReader::find(const IndexTerm& term, Postings& frames) {
  frames.resize(frames_.size());
  std::iota(frames.begin(), frames.end(), uint32_t{0});
  auto narrow = [&](SectionType type, std::span<const uint8_t> first, std::span<const uint8_t> last) {
    PostingTable* posting_table = nullptr;
    Postings found;
    if (!table(type, first.size(), posting_table) || !posting_table->find(first, last, found)) return false;
    frames = intersection(frames, found);
    return true;
  };
  if (term.flow_id) {
    const auto key = big_endian(*term.flow_id);
    if (!narrow(SectionType::kFlowIds, key, key)) return false;
  }
  if (term.connection) {
    const Endpoints& e = *term.connection;
    const auto key = big_endian(connection_key(e.source, e.source_port, e.destination, e.destination_port, e.protocol));
    if (!narrow(SectionType::kConnections, key, key)) return false;
  }
  if (term.host) {
    const IpAddress last = last_address(*term.host);
    if (!narrow(SectionType::kHosts, term.host->address.bytes, last.bytes)) return false;
  }
  if (term.port) {
    const auto key = big_endian(*term.port);
    if (!narrow(SectionType::kPorts, key, key)) return false;
  }
  if (term.protocol) {
    const auto key = big_endian(*term.protocol);
    if (!narrow(SectionType::kProtocols, key, key)) return false;
  }
  return true;
}

Postings SegmentReader::candidates(const IndexFilter& filter) {
  Postings all(frames().size());
  std::iota(all.begin(), all.end(), uint32_t{0});
  if (!sealed_ || filter.all_of.empty()) return all;
  PostingTable* unindexed_table = nullptr;
  Postings unindexed;
  const uint8_t any = 0;
  if (!table(SectionType::kUnindexedFrames, 1, unindexed_table) ||
      !unindexed_table->find({&any, 1}, {&any, 1}, unindexed)) {
    return all;
  }
  Postings result = all;
  for (const auto& any_of : filter.all_of) {
    Postings either = unindexed;
    for (const IndexTerm& term : any_of) {
      Postings found;
      if (!find(term, found)) return all;
      either.insert(either.end(), found.begin(), found.end());
    }
    normalise(either);
    result = intersection(result, either);
  }
  return result;
}

}  // namespace gatetape
