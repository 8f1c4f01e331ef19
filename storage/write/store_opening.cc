#include "storage/write/store_opening.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "common/log.h"
#include "storage/read/segment_directory.h"
#include "storage/read/segment_reader.h"
#include "storage/write/segment_seal.h"

namespace gatetape {
namespace {

void remove_half_made(const std::string& directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".gtp.new") || name.ends_with(".gtr.new")) std::filesystem::remove(it->path(), error);
  }
}

}  // namespace

Result<File> lock_directory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail("{}: {}", directory, error.message());
  const std::string path = directory + "/lock";
  auto file = File::open_to_change(path);
  if (!file) file = File::create(path);
  if (!file) file = File::open_to_change(path);  // made by another in between
  if (!file) return file;
  if (::flock(file->descriptor(), LOCK_EX | LOCK_NB) != 0) {
    return fail("{}: another gatetape is recording into this store", directory);
  }
  return file;
}

Result<ExistingSegments> take_stock(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) remove_half_made(directory);
  auto files = list_segments(directories);
  if (!files) return pass_on(files);
  ExistingSegments existing;
  for (auto file = files->rbegin(); file != files->rend(); ++file) {
    existing.last_sequence = std::max(existing.last_sequence, file->sequence);
    Ring::Segment entry{file->sequence, file->path, 0, file->path.ends_with("-pinned.gtp")};
    const std::string stream = stream_name(std::filesystem::path(file->path).filename().string());
    auto opened = SegmentReader::open(file->path, [](const std::string&, uint64_t, const char*) {});
    const bool newest = !existing.tails.contains(stream);
    if (opened && (newest || !(*opened)->sealed())) {
      const auto sealed = seal_segment(file->path);
      if (!sealed) {
        log_warning("{}", sealed.error().message);
      } else {
        if (newest) existing.tails[stream] = {file->sequence, sealed->summary.root};
        existing.recovered += !sealed->was_sealed;
        if (!sealed->was_sealed) existing.torn_bytes += sealed->summary.torn_bytes;
      }
    } else if (!opened) {
      log_warning("{}", opened.error().message);
    }
    struct stat status;
    if (::stat(file->path.c_str(), &status) == 0) entry.bytes = static_cast<uint64_t>(status.st_size);
    existing.segments.push_back(std::move(entry));
  }
  return existing;
}

uint64_t default_ring_bytes(const std::vector<std::string>& directories, uint64_t bytes_present) {
  uint64_t free_bytes = 0;
  std::set<unsigned long> seen;
  for (const std::string& directory : directories) {
    struct statvfs status;
    if (::statvfs(directory.c_str(), &status) != 0 || !seen.insert(status.f_fsid).second) continue;
    free_bytes += uint64_t{status.f_bavail} * status.f_frsize;
  }
  return (free_bytes + bytes_present) / 5 * 4;
}

}  // namespace gatetape
