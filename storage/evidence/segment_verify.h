// Checks a sealed segment against what its seal put into the ledger, from its bytes alone: packets to leaves, leaves to
// frame roots, these to the segment's root; and that all the rest of the file (headers, index, trailer) follows from
// the packets, as it must.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "storage/evidence/frame_hasher.h"
#include "storage/evidence/ledger_entry.h"
#include "storage/read/literal_cache.h"
#include "storage/read/segment_reader.h"

namespace gatetape {

class SegmentIndexBuilder;

// Something in a file that is not as it was signed.
struct Finding {
  std::string file;
  uint64_t offset = 0;
  std::string what;
};

// Keeps its memory from segment to segment. One thread.
class SegmentVerifier {
 public:
  // `literal_bytes`: what may be held of a segment's unpacked literals. Captured bytes are added to `progress` as they
  // are checked.
  SegmentVerifier(FileSystem& files, size_t literal_bytes, std::atomic<uint64_t>& progress);
  ~SegmentVerifier();

  // The first thing that is wrong; nothing when all is as `listed`. `recovered`: it was sealed after a crash, and may
  // hold bytes that are no frame. `damage`: what the ledger says that the crash had damaged.
  std::optional<Finding> verify(const std::string& path, const SegmentFacts& listed, bool recovered,
                                const SegmentDamage& damage = {});
  // For a segment that a crash left, before it is signed: finds all that verify() would. Fails when it cannot be read,
  // or is damaged as a whole.
  Result<SegmentDamage> find_damage(const std::string& path, const SegmentFacts& facts);
  // Something in the last segment that is not wrong but should be known; empty: nothing.
  const std::string& remark() const { return remark_; }

 private:
  bool wrong(uint64_t offset, std::string what);
  bool read(uint64_t offset, size_t size, std::vector<uint8_t>& out);
  void check(const std::string& path, const SegmentFacts& listed, bool recovered);
  bool check_header(const SegmentFacts& listed);
  bool check_frames(SegmentReader& segment, const SegmentFacts& listed, bool recovered);
  bool check_sums(const SegmentFacts& listed);
  bool is_damaged(uint32_t frame) const;
  bool pass_damaged_frame(const FrameEntry& entry, const SegmentFacts& listed);
  bool pass_damaged_index(const SegmentFacts& listed, uint64_t end_of_frames);
  bool hash_damaged(uint64_t offset, uint64_t size);
  bool check_frame(const FrameEntry& entry, std::optional<uint32_t> number, RememberedLiterals& literals);
  bool read_sections(const FrameEntry& entry);
  bool check_packets(const FrameEntry& entry, RememberedLiterals& literals);
  bool check_records(const FrameEntry& entry);
  bool check_index(const SegmentFacts& listed, uint64_t end_of_frames);
  bool check_tables(std::span<const uint8_t> stored, std::span<const uint8_t> rebuilt, uint64_t offset);

  FileSystem& files_;
  std::atomic<uint64_t>& progress_;
  LiteralCache cache_;
  FrameHasher hasher_;
  FrameReader reader_;
  std::optional<Finding> finding_;
  std::string remark_;
  uint64_t damage_offset_ = 0;  // the damage that the reader met last
  std::string damage_;
  std::string path_;
  // The damage that is known, or, while find_damage() looks, that was met so far. The digest is computed anew.
  SegmentDamage known_;
  bool looking_ = false;
  Sha256Digest digest_{};
  bool cannot_read_ = false;
  std::unique_ptr<File> file_;
  std::vector<uint8_t> segment_header_bytes_;
  SegmentHeader segment_header_;
  // The frame being checked.
  FrameHeader header_;
  std::vector<uint8_t> frame_, sections_, raw_;
  std::vector<bool> wanted_;
  // The segment's sums so far.
  std::vector<FrameEntry> entries_;
  std::vector<Sha256Digest> roots_;
  SegmentSummary summary_;
  std::unique_ptr<SegmentIndexBuilder> index_;
};

}  // namespace gatetape
