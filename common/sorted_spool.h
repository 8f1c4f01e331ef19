// A SortedSpool puts any number of entries into order with bounded memory: what does not fit is written to an unlinked
// temporary file ($TMPDIR, else /tmp) in sorted runs, which are merged in the end. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace gatetape {

class SortedSpool {
 public:
  static constexpr size_t kMemoryBytes = 64 << 20;

  // Holds about `memory_bytes` in memory; while merging, 64 KiB for each of that size in all.
  explicit SortedSpool(bool descending = false, size_t memory_bytes = kMemoryBytes);
  SortedSpool(const SortedSpool&) = delete;
  SortedSpool& operator=(const SortedSpool&) = delete;
  ~SortedSpool();

  // Keys are compared as bytes. Fails when the temporary file cannot be written.
  Result<void> add(std::string_view key, std::string_view payload);
  // Visits the payloads in the order of their keys, those of equal keys in the order in which they were added, until
  // `visit` returns false. Call it once, after the last add().
  Result<void> visit(const std::function<bool(std::string_view payload)>& visit);

 private:
  struct Entry {
    size_t at;  // in bytes_
    uint32_t key, payload;
  };
  struct Run {
    uint64_t begin, end;  // in the file
  };
  class RunReader;

  bool before(std::string_view a, std::string_view b) const { return descending_ ? b < a : a < b; }
  std::string_view key_of(const Entry& entry) const { return std::string_view(bytes_).substr(entry.at, entry.key); }
  void sort();
  Result<void> spill();
  Result<void> merge(const std::function<bool(std::string_view payload)>& visit);

  const bool descending_;
  const size_t memory_bytes_;
  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<Run> runs_;
  int file_ = -1;
  uint64_t file_bytes_ = 0;
};

}  // namespace gatetape
