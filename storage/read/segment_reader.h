// One segment file, for reading: sealed, being written, or left by a crash. Damage is reported and stepped over. One
// thread; holds the file open, so a segment evicted meanwhile can still be read to its end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/format/format.h"
#include "storage/format/posting_table.h"
#include "storage/format/sealing.h"
#include "storage/read/store_reader.h"

namespace gatetape {

class SegmentReader {
 public:
  // Damage is reported to `damage` as offset and text, here and by every later call.
  using DamageReport = std::function<void(const std::string& path, uint64_t offset, const char* what)>;
  // Fails when the file cannot be opened or read (Error::code says why), or is no segment that we know (code 0).
  // With `repair`, single flipped bits in headers and sections of a segment of packets are put right in memory, and
  // reported to it; the file is never changed.
  static Result<std::unique_ptr<SegmentReader>> open(FileSystem& files, const std::string& path, DamageReport damage,
                                                     DamageReport repair = nullptr);

  // Tells all readers of this process apart, those that are gone, too.
  uint64_t id() const { return id_; }
  const SegmentHeader& header() const { return header_; }
  const std::string& path() const { return path_; }
  bool sealed() const { return sealed_; }
  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t bytes_read() const { return bytes_read_; }

  // All frames, in order of writing. Of a sealed segment read from its index, else found by walking.
  const std::vector<FrameEntry>& frames();
  // The first read that the device refused, if any did: what was found so far is then not all that there is. A file
  // that merely ends early is no failure.
  const Result<void>& read_status() const { return read_status_; }
  // Times, packets and root: of a sealed segment from its index, else summed up over its frames.
  SegmentSummary summary();
  // Where the last whole frame ends; beyond lies a torn tail, or a frame being written just now.
  uint64_t end_of_frames();
  // Whether walking met an index that the file has room for: it was sealed, though its trailer is damaged.
  bool met_index() const { return met_index_; }

  // Whether bytes that are no frame lie between its frames: a crash took what was there.
  bool has_holes();

  // Frames (their numbers in frames()) that may hold a match.
  Postings candidates(const IndexFilter& filter);

  // The frame's header, and its stored bytes up to `section_bytes` after the header in `sections`.
  // False: damaged (and reported).
  bool read_frame(uint32_t frame, size_t section_bytes_at_least, FrameHeader& header, std::vector<uint8_t>& sections);
  // Puts right what single flipped bits did to a frame's stored sections, those that are whole in `sections`, which
  // begins behind the header. True: something was; what was damaged otherwise still is.
  bool repair_sections(uint32_t frame, const FrameHeader& header, std::span<uint8_t> sections);
  // The same for one section, whose stored bytes lie at `offset` in the file.
  bool repair_section(uint64_t offset, const Section& section, std::span<uint8_t> stored);
  // Stored bytes of a section.
  bool read_bytes(uint64_t offset, std::span<uint8_t> out);
  // Which frame holds the literal at that position; nothing if none does.
  std::optional<uint32_t> frame_with_literal(uint64_t position);

  void report_damage(uint64_t offset, const char* what);

 private:
  SegmentReader(std::string path, std::unique_ptr<File> file, uint64_t file_bytes, SegmentHeader header,
                size_t header_bytes, DamageReport damage, DamageReport repair);
  size_t read(uint64_t offset, std::span<uint8_t> out);
  void read_trailer();
  void read_index();
  bool frames_apart() const;
  void walk();
  bool read_header_at(uint64_t offset, FrameHeader& header, bool& torn);
  bool repair_frame_header(uint64_t offset, std::span<uint8_t> bytes, FrameHeader& header);
  bool table(SectionType type, size_t key_bytes, PostingTable*& table);
  bool find(const IndexTerm& term, Postings& frames);

  const uint64_t id_;
  std::string path_;
  std::unique_ptr<File> file_;
  SegmentHeader header_;
  size_t header_bytes_;
  DamageReport damage_, repair_;
  unsigned header_repairs_ = 0;
  uint64_t file_bytes_ = 0;
  uint64_t bytes_read_ = 0;
  Result<void> read_status_;
  std::string unreported_failure_;  // why a read failed, until it is reported as damage
  bool sealed_ = false;
  Trailer trailer_;
  FrameHeader index_;
  bool frames_known_ = false;
  std::vector<FrameEntry> frames_;
  uint64_t end_of_frames_ = 0;
  bool met_index_ = false;
  std::optional<SegmentSummary> summary_;
  std::vector<std::pair<SectionType, std::unique_ptr<PostingTable>>> tables_;
  std::vector<uint8_t> header_buffer_;
};

// A file that open() finds to be no segment may be one whose header a power cut took, or a part of it: it begins with
// zeros, has zeros at the end of its header, or ends inside it. Nobody can read what it holds, if it holds anything.
enum class TornHeader { kNo, kNothingBehind, kBytesBehind };
Result<TornHeader> torn_header(FileSystem& files, const std::string& path);

}  // namespace gatetape
