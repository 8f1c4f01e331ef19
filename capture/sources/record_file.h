// RecordFile is a capture file that is one record after another. It reads them straight into the burst that hands their
// packets out, which point there.
#pragma once

#include <cstring>
#include <vector>

#include "capture/sources/capture_file.h"

namespace gatetape {

class RecordFile : public CaptureFile {
 public:
  Result<ReadStatus> read(FileBurst& burst) final;
  bool can_be_reopened() const final { return input_.can_be_reopened(); }

 protected:
  // `offset` is where in the file `input` is.
  RecordFile(ByteInput input, uint64_t offset) : input_(std::move(input)), file_offset_(offset) {}

  // Takes the whole records in arena[position, end): appends their packets to the burst and moves `position` behind
  // them. Leaves it behind `end` when the bytes in between are to be skipped unread. Damage fails only while the burst
  // is empty; else it ends the burst and is told with the next one.
  virtual Result<void> take_records(FileBurst& burst, size_t end, size_t& position) = 0;
  // Returns the length of the record that begins the arena, or of as much as tells its length.
  virtual size_t record_bytes(const uint8_t* record, size_t there) const = 0;
  // Whether that record is a packet, as far as can be told.
  virtual bool is_packet(const uint8_t* record, size_t there) const = 0;

  const std::string& name() const { return input_.name(); }
  // Where the arena's beginning lies in the file, for messages.
  uint64_t file_offset() const { return file_offset_; }

  uint64_t packets_ = 0;  // taken so far

 private:
  Result<bool> skip(FileBurst& burst);
  tl::unexpected<Error> ends_early(const FileBurst& burst, size_t end) const;

  ByteInput input_;
  std::vector<uint8_t> rest_;  // read, but not in a burst yet: mostly the beginning of a packet
  uint64_t skip_bytes_ = 0;    // to be passed over before anything else is read
  // Bytes to read at once: a little more than the last burst took, so that little is carried over to the next one.
  size_t read_bytes_ = FileBurst::kArenaBytes;
  uint64_t file_offset_;  // the place of rest_ in the file
};

// Numbers in the byte order of the file, which may be the other one.
inline uint32_t load_u32(const uint8_t* bytes, bool swapped) {
  uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return swapped ? __builtin_bswap32(value) : value;
}

inline uint16_t load_u16(const uint8_t* bytes, bool swapped) {
  uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return swapped ? __builtin_bswap16(value) : value;
}

}  // namespace gatetape
