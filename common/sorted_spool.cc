#include "common/sorted_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace gatetape {

namespace {

constexpr size_t kBufferBytes = 64 * 1024;

Result<void> write_whole(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_with(errno, "temporary file for sorting ($TMPDIR)");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<int> open_unlinked() {
  const char* directory = std::getenv("TMPDIR");
  std::string path = directory == nullptr || *directory == '\0' ? "/tmp" : directory;
  path += "/gatetape-sort.XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return fail_with(errno, "{}", path);
  ::unlink(path.c_str());
  return file;
}

}  // namespace

// Reads a run's entries one after another.
class SortedSpool::RunReader {
 public:
  RunReader(int file, Run run) : file_(file), at_(run.begin), end_(run.end) {}

  // Goes to the next entry; false at the end.
  Result<bool> next() {
    taken_ += entry_bytes_;
    entry_bytes_ = 0;
    if (at_ == end_ && taken_ == buffer_.size()) return false;
    uint32_t sizes[2];
    if (Result<void> read = need(sizeof sizes); !read) return pass_on(read);
    std::memcpy(sizes, buffer_.data() + taken_, sizeof sizes);
    taken_ += sizeof sizes;
    entry_bytes_ = size_t{sizes[0]} + sizes[1];
    if (Result<void> read = need(entry_bytes_); !read) return pass_on(read);
    key_bytes_ = sizes[0];
    return true;
  }
  std::string_view key() const { return std::string_view(buffer_).substr(taken_, key_bytes_); }
  std::string_view payload() const {
    return std::string_view(buffer_).substr(taken_ + key_bytes_, entry_bytes_ - key_bytes_);
  }

 private:
  Result<void> need(size_t bytes) {
    if (buffer_.size() - taken_ >= bytes) return {};
    buffer_.erase(0, taken_);
    taken_ = 0;
    while (buffer_.size() < bytes) {
      const size_t had = buffer_.size();
      const size_t wanted = std::max(bytes - had, std::min<size_t>(kBufferBytes, end_ - at_));
      buffer_.resize(had + wanted);
      const ssize_t got = ::pread(file_, buffer_.data() + had, wanted, static_cast<off_t>(at_));
      buffer_.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_with(errno, "temporary file for sorting");
      if (got == 0) return fail("temporary file for sorting: it was cut short");
      at_ += static_cast<uint64_t>(got);
    }
    return {};
  }

  int file_;
  uint64_t at_, end_;
  std::string buffer_;
  size_t taken_ = 0, entry_bytes_ = 0, key_bytes_ = 0;
};

SortedSpool::SortedSpool(bool descending, size_t memory_bytes) : descending_(descending), memory_bytes_(memory_bytes) {}

SortedSpool::~SortedSpool() {
  if (file_ >= 0) ::close(file_);
}

Result<void> SortedSpool::add(std::string_view key, std::string_view payload) {
  entries_.push_back({bytes_.size(), static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload.size())});
  bytes_.append(key).append(payload);
  if (bytes_.size() + entries_.size() * sizeof(Entry) < memory_bytes_) return {};
  return spill();
}

void SortedSpool::sort() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [&](const Entry& a, const Entry& b) { return before(key_of(a), key_of(b)); });
}

Result<void> SortedSpool::spill() {
  if (file_ < 0) {
    Result<int> file = open_unlinked();
    if (!file) return pass_on(file);
    file_ = *file;
  }
  sort();
  Run run{file_bytes_, file_bytes_};
  std::string out;
  for (const Entry& entry : entries_) {
    const uint32_t sizes[2] = {entry.key, entry.payload};
    out.append(reinterpret_cast<const char*>(sizes), sizeof sizes);
    out.append(bytes_, entry.at, size_t{entry.key} + entry.payload);
    if (out.size() < kBufferBytes && &entry != &entries_.back()) continue;
    if (Result<void> written = write_whole(file_, out); !written) return written;
    run.end += out.size();
    out.clear();
  }
  file_bytes_ = run.end;
  runs_.push_back(run);
  entries_.clear();
  bytes_.clear();
  return {};
}

Result<void> SortedSpool::visit(const std::function<bool(std::string_view payload)>& visit) {
  if (!runs_.empty()) return merge(visit);
  sort();
  for (const Entry& entry : entries_) {
    if (!visit(std::string_view(bytes_).substr(entry.at + entry.key, entry.payload))) break;
  }
  return {};
}

// A heap of runs, whose top is the one with the next entry; of equal keys the older run's comes first.
Result<void> SortedSpool::merge(const std::function<bool(std::string_view payload)>& visit) {
  if (!entries_.empty()) {
    if (Result<void> spilled = spill(); !spilled) return spilled;
  }
  std::vector<std::unique_ptr<RunReader>> readers;
  std::vector<size_t> heap;
  const auto later = [&](size_t a, size_t b) {
    const std::string_view left = readers[a]->key(), right = readers[b]->key();
    return left == right ? a > b : before(right, left);
  };
  const auto push_next = [&](size_t run) -> Result<void> {
    Result<bool> any = readers[run]->next();
    if (!any) return pass_on(any);
    if (!*any) return {};
    heap.push_back(run);
    std::push_heap(heap.begin(), heap.end(), later);
    return {};
  };
  for (const Run& run : runs_) readers.push_back(std::make_unique<RunReader>(file_, run));
  for (size_t run = 0; run < runs_.size(); ++run) {
    if (Result<void> pushed = push_next(run); !pushed) return pushed;
  }
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const size_t run = heap.back();
    heap.pop_back();
    if (!visit(readers[run]->payload())) break;
    if (Result<void> pushed = push_next(run); !pushed) return pushed;
  }
  return {};
}

}  // namespace gatetape
